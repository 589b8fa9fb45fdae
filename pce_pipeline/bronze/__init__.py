"""Raw answers of BEA as received: write-once, one extract per vintage, with lineage."""
