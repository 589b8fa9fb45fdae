"""Which of our tables other engines see as Iceberg tables, under which tags, and who is told of them."""
