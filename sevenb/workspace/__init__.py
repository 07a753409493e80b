"""Who uses sevenb and what they keep here: users, sessions, API keys, chats, votes, usage; in SQL, without HTTP."""
