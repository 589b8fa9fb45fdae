"""What the programs of infra/ do: boto3, and of the package only what settings, keys and records mean."""
