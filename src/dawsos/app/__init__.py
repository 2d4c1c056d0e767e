"""The composition root: builds the parts, hands them to one another, one function per verb."""
