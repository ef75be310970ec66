-- What a deleted row is referred to by: without these, forgetting a thousand sessions reads every connection a thousand
-- times, and every log-in waits for it.
create index connections_of_session on connections (session_id);
create index prompts_of_session on prompts (session_id);
create index prompts_of_connection on prompts (connection_id);
create index prompts_created on prompts (created_at);
create index buttons_of_prompt on buttons (prompt_id);
create index buttons_of_session on buttons (session_id);
create index cuts_of_connection on cuts (connection_id);
create index cuts_of_session on cuts (session_id);
create index cuts_done on cuts (done_at);
create index outbox_of_prompt on outbox (prompt_id);

-- What the workers ask each round.
create index outbox_of_chat on outbox (chat_id, priority, id) where done_at is null;
create index connections_asked on connections (presence_at) where ended_at is null and presence = 'asked';
