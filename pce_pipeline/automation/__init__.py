"""What comes next and who starts it: one decision function, jobs, and the sensor that launches them."""
