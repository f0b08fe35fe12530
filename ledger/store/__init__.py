"""The only place that speaks SQL: tables, the log, its snapshots, migrations, reporting views."""
