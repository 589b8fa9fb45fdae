"""Everything that makes an environment on AWS: the template, the program that applies it, the door of its database."""
