"""The page of the data: static files and one version of the explorer's set, served on loopback or published."""
