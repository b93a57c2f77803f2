"""The catalogue of nasty cases: what breaks naive tools of this kind, and the test that covers each."""
