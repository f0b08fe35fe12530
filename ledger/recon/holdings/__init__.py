"""Holdings of an outside source against ours."""
