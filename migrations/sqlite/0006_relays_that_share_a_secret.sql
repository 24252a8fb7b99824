-- What the first relay calls itself that came with a secret without a name: it stays `default`, others with
-- the same secret are told apart from it.

alter table relays add column edge_agent text;
