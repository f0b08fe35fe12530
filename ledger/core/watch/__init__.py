"""The watch: which margin accounts an event may have brought to a border."""
