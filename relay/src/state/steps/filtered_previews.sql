-- Version 4. A text of nothing but a link, held back together with its preview that came first: if the
-- preview is relayed, the text has nothing more to tell. The guid of that preview.
alter table filtered add column told_by text;
