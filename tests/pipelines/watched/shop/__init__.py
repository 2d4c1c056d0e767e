"""A shop of one page that counts its requests, and answers every so many with an error when its release is a bad one."""

# So often, in a thousand requests, the shop fails: a test changes it to make a bad release.
FAILURES = 0
