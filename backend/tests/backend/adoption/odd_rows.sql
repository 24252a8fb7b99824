-- The chat of a built-in row under another service, created later.
insert into conversations (id, chat_guid, mode, created_at) values
  ('cccccccc-cccc-4ccc-8ccc-cccccccccccc', 'SMS;-;+15550100001', 'direct', now() + interval '1 day');
-- A guid that is stored already, JSON values that are no object, and guids that are no text, empty or invalid.
insert into messages (conversation_id, user_id, role, text, metadata) values
  ('cccccccc-cccc-4ccc-8ccc-cccccccccccc', null, 'user', 'twice', '{"guid": "0A0A0A0A-0000-4000-8000-000000000001"}'),
  ('cccccccc-cccc-4ccc-8ccc-cccccccccccc', null, 'user', 'scalar', '"guid"'),
  ('cccccccc-cccc-4ccc-8ccc-cccccccccccc', null, 'user', 'list', '["guid"]'),
  ('cccccccc-cccc-4ccc-8ccc-cccccccccccc', null, 'user', 'number', '{"guid": 7}'),
  ('cccccccc-cccc-4ccc-8ccc-cccccccccccc', null, 'user', 'empty', '{"guid": ""}'),
  ('cccccccc-cccc-4ccc-8ccc-cccccccccccc', null, 'user', 'nul', '{"guid": "a\u0000b"}');
