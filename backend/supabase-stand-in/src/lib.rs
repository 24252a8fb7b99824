//! Answers as a Supabase Auth server was recorded to answer, for tests and demonstrations without an account.
