//! Columns of the rows that the scripts write.

use std::path::Path;

use messages_stand_in::{ChatDb, Script, Style, Summary, build};

use crate::archive::Archive;

/// A database that was built from a script in a style.
struct Built {
    db: ChatDb,
    _folder: tempfile::TempDir,
}

fn built(name: &str, style: Style) -> Built {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scripts/{name}.jsonl"));
    let script = Script::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let db = build(
        &script,
        folder.path().join("chat.db"),
        style,
        script.start(),
    )
    .unwrap();
    Built {
        db,
        _folder: folder,
    }
}

fn in_each_style(name: &str, since: Style, test: impl Fn(&Built)) {
    for style in Style::ALL.into_iter().filter(|style| *style >= since) {
        test(&built(name, style));
    }
}

impl Built {
    /// The first column of a query's result; NULL is `-`.
    fn first_column(&self, sql: &str) -> Vec<String> {
        let mut query = self.db.raw().prepare(sql).unwrap();
        let rows = query.query_map([], |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Null => "-".to_owned(),
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                other => other.as_str().unwrap().to_owned(),
            })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    fn blob(&self, sql: &str) -> Vec<u8> {
        let row = self.db.raw().query_row(sql, [], |row| row.get(0));
        row.unwrap()
    }

    /// The text of each row, wherever it is stored.
    fn texts(&self) -> Vec<String> {
        let rowids = self.first_column("select ROWID from message order by ROWID");
        let texts = rowids
            .iter()
            .map(|rowid| self.db.text_of(rowid.parse().unwrap()).unwrap());
        texts.collect()
    }

    fn summary(&self, rowid: i64) -> Summary {
        let sql = format!("select message_summary_info from message where ROWID = {rowid}");
        Summary::from_plist(&self.blob(&sql)).unwrap()
    }
}

#[test]
fn link_rows_refer_to_their_text_by_reply_to_guid_or_associated_message_guid() {
    in_each_style("link-rows", Style::Monterey, |built| {
        // The row of the text to which each link row refers by `column`.
        let texts_named_by = |column: &str| {
            format!(
                "select t.ROWID from message m left join message t on t.guid = {column}
                 where m.balloon_bundle_id like '%URLBalloonProvider' order by m.ROWID"
            )
        };
        let by_reply = built.first_column(&texts_named_by("m.reply_to_guid"));
        assert_eq!(by_reply, ["1", "3", "-", "-", "-"]);
        let bare = "replace(m.associated_message_guid, 'p:0/', '')";
        assert_eq!(
            built.first_column(&texts_named_by(bare)),
            ["-", "-", "5", "7", "-"]
        );
        let texts = built.texts();
        assert_eq!(texts[1], "https://example.com/docs/setup");
        assert_eq!(texts[3], "", "a link row may have no text");
        let sql = "select payload_data from message where ROWID = 4";
        let archive = Archive::read(&built.blob(sql));
        let metadata = archive.root().get("richLinkMetadata").unwrap();
        let url = metadata.get("URL").unwrap().url();
        assert_eq!(url.as_deref(), Some("https://example.com/short"));
        let millis_later = "select max(b.date - a.date) / 1000000 from message a join message b
                     on b.reply_to_guid = a.guid where b.ROWID = 4";
        assert_eq!(built.first_column(millis_later), ["6000"]);
    });
}

#[test]
fn a_link_preview_has_a_payload_that_names_the_link() {
    in_each_style("link-preview", Style::Monterey, |built| {
        let sql = "select payload_data from message where payload_data is not null";
        let archive = Archive::read(&built.blob(sql));
        let metadata = archive.root().get("richLinkMetadata").unwrap();
        let url = metadata.get("URL").unwrap().url();
        assert_eq!(url.as_deref(), Some("https://example.com/article"));
    });
}

#[test]
fn filters_lifted_leaves_one_chat_filtered_and_one_message_spam() {
    in_each_style("filters-lifted", Style::Monterey, |built| {
        assert_eq!(
            built.first_column("select is_filtered from chat order by ROWID"),
            ["0", "1", "0"]
        );
        let spam = built.first_column("select ROWID from message where is_spam = 1");
        assert_eq!(spam.len(), 1);
        assert_eq!(built.first_column("select count(*) from message"), ["7"]);
    });
    let built = built("filters-lifted", Style::Macos27);
    for table in ["message", "chat_message_join"] {
        let actions = format!("select max(filter_action) from {table}");
        assert_eq!(built.first_column(&actions), ["1"], "{table}");
    }
}

#[test]
fn second_join_joins_two_messages_to_two_chats() {
    in_each_style("second-join", Style::Ventura, |built| {
        let chats = "select group_concat(chat_id, ' ') from chat_message_join
                     group by message_id order by message_id";
        assert_eq!(built.first_column(chats), ["1", "2 1", "2", "1 2"]);
        assert_eq!(built.texts()[1], "to all of you!");
    });
}

#[test]
fn own_messages_come_back_as_received_rows_from_own_addresses() {
    in_each_style("own-sends-mirrored", Style::Monterey, |built| {
        let rows = "select is_from_me || ' ' || coalesce(id, '') from message
                    left join handle on handle.ROWID = handle_id
                    where message.ROWID in (3, 4, 7, 8)";
        let alias = "0 me@example.com";
        let expected = [
            "1 +15555550101",
            alias,
            "0 +15550009999",
            "0 Me@Example.com",
        ];
        assert_eq!(built.first_column(rows), expected);
        assert_eq!(built.texts()[2], built.texts()[3]);
    });
}

#[test]
fn own_address_forms_writes_the_address_in_every_form() {
    in_each_style("own-address-forms", Style::Monterey, |built| {
        let forms = built.first_column("select destination_caller_id from message order by ROWID");
        let forms: Vec<&str> = forms.iter().map(String::as_str).collect();
        assert_eq!(
            forms[1..4],
            ["tel:+15550009999", "P:+15550009999", "E:me@example.com"]
        );
        assert_eq!(forms[5..8], ["", "-", "-"]);
        assert_eq!(
            forms[11], "+15555550102",
            "an own row has the address of the peer"
        );
        let addressed = built.first_column("select last_addressed_handle from chat order by ROWID");
        assert_eq!(addressed, ["+15555550101", "-"]);
    });
}

#[test]
fn chat_lookup_gives_the_old_identifier_to_the_new_chat() {
    for style in [Style::Tahoe, Style::Macos27] {
        let built = built("group-moves-services", style);
        let lookups = "select identifier || ' ' || domain || ' ' || guid from chat_lookup
                       join chat on chat.ROWID = chat where chat_identifier like '%3_'
                       order by identifier";
        let expected = [
            "chat555000000000000031 SMS RCS;+;chat555000000000000032",
            "chat555000000000000032 RCS RCS;+;chat555000000000000032",
            "chat555000000000000033 SMS RCS;+;chat555000000000000034",
            "chat555000000000000034 RCS RCS;+;chat555000000000000034",
        ];
        assert_eq!(built.first_column(lookups), expected);
    }
    let built = built("group-moves-services", Style::Sequoia);
    assert_eq!(built.first_column("select count(*) from chat"), ["4"]);
}

#[test]
fn the_history_of_an_edit_has_the_guid_of_the_row_edited_to() {
    in_each_style("edits-told-twice", Style::Ventura, |built| {
        for (edited, edition, row) in [(1, 1, "2"), (3, 1, "4"), (3, 2, "5")] {
            let summary = built.summary(edited);
            let guid = summary.history[0].editions[edition].notice.clone();
            let found = format!("select ROWID from message where guid = '{}'", guid.unwrap());
            assert_eq!(built.first_column(&found), [row]);
        }
        assert_eq!(built.summary(1).history[0].editions[0].notice, None);
        assert_eq!(built.texts()[1], "Edited to “at seven”");
        let undated = "select date_edited from message where ROWID = 6";
        assert_eq!(built.first_column(undated), ["-"]);
        assert_eq!(built.summary(6).history[0].editions.len(), 2);
    });
}

#[test]
fn reactions_over_sms_and_rcs_are_rows_without_an_associated_type() {
    in_each_style("reactions-as-text", Style::Monterey, |built| {
        let kinds = "select distinct coalesce(associated_message_type, 0) from message";
        assert_eq!(built.first_column(kinds), ["0"]);
        let services = "select distinct service from message order by service";
        assert_eq!(built.first_column(services), ["RCS", "SMS"]);
        let texts = built.texts();
        assert!(
            texts.contains(
                &"\u{200B}👍\u{200B} to “\u{200A}Bis später am Bahnhof\u{200A}”".to_owned()
            )
        );
    });
}

#[test]
fn transcripts_are_in_body_or_user_info_as_the_script_gives_them() {
    in_each_style("voice-transcripts", Style::Monterey, |built| {
        let with_transcript =
            "select ROWID from attachment where user_info is not null order by ROWID";
        assert_eq!(built.first_column(with_transcript), ["2", "3", "5", "6"]);
        let transcripts: Vec<Option<String>> = (1..=6)
            .map(|rowid| {
                let sql = format!("select attributedBody from message where ROWID = {rowid}");
                let body = built.blob(&sql);
                let body = attributed_body::decode(&body).unwrap();
                body.runs[0].transcription.map(str::to_owned)
            })
            .collect();
        let expected = [
            Some("in the body at once"),
            None,
            Some("in both at once"),
            Some("in the body later, heard better"),
            None,
            Some("in both later"),
        ];
        assert_eq!(
            transcripts.iter().map(Option::as_deref).collect::<Vec<_>>(),
            expected
        );
    });
}

#[test]
fn votes_added_choices_and_caption_of_a_poll_refer_to_its_first_row() {
    in_each_style("polls", Style::Monterey, |built| {
        // A vote has the type 4000, an added choice 2, and the caption 3.
        let kinds = "select associated_message_type from message
                     where associated_message_guid = (select guid from message where ROWID = 1)";
        assert_eq!(
            built.first_column(kinds),
            ["4000", "4000", "4000", "4000", "2", "4000", "3"]
        );
        let captions = "select m.ROWID from message m join message p
                        on p.guid = m.reply_to_guid and p.ROWID = 1";
        assert_eq!(built.first_column(captions), ["2"]);
        let balloons =
            "select count(*) from message where balloon_bundle_id like '%:com.apple.messages.Polls'
                        and payload_data is not null";
        assert_eq!(built.first_column(balloons), ["11"]);
    });
}

#[test]
fn part_count_keeps_counting_unsent_parts_of_a_row_without_a_body() {
    in_each_style("unsends-of-everything", Style::Ventura, |built| {
        let counts = built.first_column("select part_count from message order by ROWID");
        assert_eq!(counts, ["1", "3", "2", "1"]);
        for (rowid, parts) in [(1, 1), (2, 3), (3, 2), (4, 1)] {
            let summary = built.summary(rowid);
            let all: Vec<i64> = summary.ranges.iter().map(|range| range.0).collect();
            assert_eq!(all, (0..parts).collect::<Vec<_>>());
            assert!(summary.unsent.iter().eq(&all));
        }
        assert!(built.texts().iter().all(String::is_empty));
        let bodies = "select count(*) from message where attributedBody is not null";
        assert_eq!(built.first_column(bodies), ["0"]);
    });
}

#[test]
fn three_of_four_unfinished_rows_are_finished_in_place() {
    in_each_style("unfinished-rows", Style::Monterey, |built| {
        let finished = built.first_column("select is_finished from message order by ROWID");
        assert_eq!(finished, ["1", "1", "0", "1"]);
        assert_eq!(built.texts()[0], "the text comes with the mark");
    });
}

#[test]
fn four_rows_of_the_script_share_two_dates() {
    in_each_style("same-microsecond", Style::Monterey, |built| {
        let dates = "select count(distinct date) from message";
        assert_eq!(built.first_column(dates), ["2"]);
        assert_eq!(
            built.first_column("select count(distinct guid) from message"),
            ["4"]
        );
    });
}

#[test]
fn invisible_characters_stay_around_four_addresses() {
    in_each_style("marked-addresses", Style::Monterey, |built| {
        let marked = "select count(*) from handle where id like '%+1555555010_%'
                      and id not like '+%'";
        assert_eq!(built.first_column(marked), ["4"]);
    });
}

#[test]
fn genmoji_have_descriptions_since_sequoia() {
    in_each_style("genmoji-in-text", Style::Sequoia, |built| {
        let descriptions = "select emoji_image_short_description from attachment order by ROWID";
        let expected = ["cat with a hat", "dragon, drinking tea", "-", "waving hand"];
        assert_eq!(built.first_column(descriptions), expected);
        assert_eq!(built.texts()[0], "look \u{FFFC} !");
    });
    let older = built("genmoji-in-text", Style::Ventura);
    assert_eq!(older.first_column("select count(*) from attachment"), ["4"]);
}
