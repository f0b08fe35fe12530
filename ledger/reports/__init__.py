"""Reports: what a back office hands to others, as HTML, PDF, CSV and Parquet."""
