"""What provision_aws.py and database_door.py do; needs boto3 and the standard library, nothing of the pipeline."""
