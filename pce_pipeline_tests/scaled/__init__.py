"""What the pipeline costs where there is more: lines multiplied, many vintages, years of days without news."""
