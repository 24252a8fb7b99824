//! Answers as Twilio Verify does, for tests and demonstrations without an account.
