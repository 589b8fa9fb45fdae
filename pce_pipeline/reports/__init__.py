"""What each run did and how good it is: reports made of the records in the lake, to be read and to be drawn."""
