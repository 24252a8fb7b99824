use proptest::prelude::*;

use super::*;

/// Whether two texts are the same address. Both must be addresses.
fn same(a: &str, b: &str) -> bool {
    let (a, b) = (WebAddress::parse(a), WebAddress::parse(b));
    assert!(a.is_some() && b.is_some(), "{a:?} {b:?}");
    a == b
}

#[test]
fn one_address_has_many_spellings() {
    for (a, b) in [
        ("https://example.com/a", "http://example.com/a"),
        ("https://example.com/a", "example.com/a"),
        ("https://example.com/a", "HTTPS://EXAMPLE.com/a/"),
        ("https://example.com", "example.com/"),
        ("https://example.com.", "example.com"),
        ("https://example.com:443/a", "http://example.com:80/a"),
        ("https://example.com/?q=1", "example.com?q=1"),
        ("https://example.com/a?", "https://example.com/a#"),
        ("https://example.com/%7euser", "https://example.com/~user"),
        ("https://example.com/caf%c3%a9", "https://example.com/café"),
        (
            "https://example.com/a%2fb?x=%3d",
            "https://example.com/a%2Fb?x=%3D",
        ),
        ("https://example.com/a|b", "https://example.com/a%7Cb"),
        ("https://example.com/[1]", "https://example.com/%5B1%5D"),
        ("https://example.com/?q=ü", "https://example.com/?q=%C3%BC"),
        (
            "https://bücher.example/a",
            "https://xn--bcher-kva.example/a",
        ),
        ("https://example.com/a/../b", "https://example.com/b"),
        ("  https://example.com/a\u{200b} ", "https://example.com/a"),
        (
            "https://en.wikipedia.org/wiki/Mercury_(planet)",
            "https://en.wikipedia.org/wiki/Mercury_%28planet%29",
        ),
        ("https://example.com/a,b:c", "https://example.com/a%2Cb%3ac"),
        ("https://example.com/it's!", "https://example.com/it%27s%21"),
        (
            "https://example.com/@me;a=1&b+$*",
            "https://example.com/%40me%3Ba%3D1%26b%2B%24%2A",
        ),
        (
            "https://example.com/?q=(a),b:c",
            "https://example.com/?q=%28a%29%2Cb%3Ac",
        ),
        (
            "https://example.com/?u=/a@b!",
            "https://example.com/?u=%2fa%40b%21",
        ),
        (
            "https://example.com/a#(b)/c",
            "https://example.com/a#%28b%29%2Fc",
        ),
    ] {
        assert!(same(a, b), "{a} {b}");
    }
}

#[test]
fn any_other_difference_makes_another_address() {
    for (a, b) in [
        ("https://example.com/docs/setup", "https://example.com"),
        ("https://example.com/docs", "https://example.com/doc"),
        ("https://example.com/A", "https://example.com/a"),
        ("https://example.com/a?x=1", "https://example.com/a?x=2"),
        ("https://example.com/a?x=1", "https://example.com/a"),
        ("https://example.com/a#b", "https://example.com/a"),
        ("https://www.example.com", "https://example.com"),
        ("https://example.com:8080", "https://example.com"),
        ("https://example.com/a%2Fb", "https://example.com/a/b"),
        ("https://example.com/a%25", "https://example.com/a"),
        ("https://example.com/a%3Fb", "https://example.com/a?b"),
        ("https://example.com/a%23b", "https://example.com/a#b"),
        ("https://example.com/a%2528", "https://example.com/a("),
        (
            "https://example.com/?a=1%26b=2",
            "https://example.com/?a=1&b=2",
        ),
        ("https://example.com/?a=1%2B1", "https://example.com/?a=1+1"),
        ("https://example.com/?a=b%3Dc", "https://example.com/?a=b=c"),
        ("https://example.com/?a=1%3Bb", "https://example.com/?a=1;b"),
        ("https://example.com/a%5C", "https://example.com/a/"),
        ("https://user@example.com/a", "https://example.com/a"),
        ("ftp://example.com/a", "https://example.com/a"),
    ] {
        assert!(!same(a, b), "{a} {b}");
    }
}

#[test]
fn a_sentence_is_no_address() {
    for text in [
        "",
        "hello",
        "see https://example.com",
        "e.g",
        "3.14",
        "...",
        "https://",
        "http://?",
        "tel:+15550100001",
        "mailto:bob@example.com",
    ] {
        assert_eq!(WebAddress::parse(text), None, "{text:?}");
    }
}

#[test]
fn addresses_are_found_without_the_punctuation_around_them() {
    let found = |text: &str| -> Vec<String> {
        let all = WebAddress::all_in(text);
        all.into_iter().map(|address| address.0).collect()
    };
    for text in [
        "see https://example.com/a.",
        "see (https://example.com/a)",
        "(see https://example.com/a).",
        "[here](https://example.com/a)!",
        "<https://example.com/a>",
        "“https://example.com/a”",
        "« https://example.com/a »",
        "example.com/a?",
        "https://example.com/a’s title",
        "look:https://example.com/a…",
        "看这个https://example.com/a，好",
        "（https://example.com/a）",
        "Text\nhttps://EXAMPLE.com/a/\nText",
        "\u{200b}https://example.com/a\u{feff}",
        "https://example.com/a🎉",
        "https://example.com/a❤️❤️ look",
        "https://example.com/a!🎉",
        "*https://example.com/a*",
        "**https://example.com/a**.",
        "_https://example.com/a_",
        "~https://example.com/a~ or",
        "(*https://example.com/a*)",
        "||https://example.com/a||",
        "*example.com/a*🎉",
    ] {
        assert!(found(text).contains(&"example.com/a".to_owned()), "{text}");
    }
    assert_eq!(
        found("https://example.com/a_(b) and www.example.com, bob@example.com"),
        ["example.com/a_(b)", "www.example.com"]
    );
    assert_eq!(
        found("https://example.com/a,https://example.com/b"),
        ["example.com/a", "example.com/b"]
    );
    assert_eq!(
        found("https://proxy.example/?u=https://example.com/a"),
        ["proxy.example?u=https://example.com/a"],
        "an address within an address is a part of it"
    );
    assert_eq!(
        found("https://example.com/a_ and https://example.com/b*"),
        [
            "example.com/a_",
            "example.com/a",
            "example.com/b*",
            "example.com/b"
        ],
        "an address may end with a mark of style"
    );
    assert_eq!(found("我的网站www.example.com"), ["www.example.com"]);
    assert_eq!(found("at 7.30 p.m. or 12.5 e.g. now...then"), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_search_panic(text in any::<String>(), odd in "[a-zA-Z0-9./:?#%@\\[\\](){}<>,;一。 -]{0,60}") {
        WebAddress::parse(&text);
        WebAddress::all_in(&text);
        WebAddress::parse(&odd);
        WebAddress::all_in(&odd);
    }

    #[test]
    fn an_address_is_found_again_in_a_sentence(path in "[a-zA-Z0-9_~-]{1,12}(/[a-z0-9]{1,8}){0,3}") {
        let address = format!("https://example.com/{path}");
        let expected = WebAddress::parse(&address);
        for text in [format!("look: {address}."), format!("({address})"), format!("{address}, and")] {
            let found = WebAddress::all_in(&text);
            prop_assert_eq!(found.first(), expected.as_ref());
        }
    }
}
