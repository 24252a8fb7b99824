//! Parts of words by which words are judged that are not known as a system's. `|` stands between them.

use shared_protocol::TapbackKind::{self, Dislike, Emphasize, Laugh, Like, Love, Question};

/// Whether one of `stems` occurs in `words`, before and behind which a space counts.
pub(in crate::relation) fn occur(words: &str, stems: &str) -> bool {
    let words = format!(" {words} ");
    stems.split('|').any(|stem| words.contains(stem))
}

/// Whether `word` is one of the words of [`SPEECH`].
pub(in crate::relation) fn begins_speech(word: &str) -> bool {
    SPEECH.split_ascii_whitespace().any(|known| known == word)
}

/// By which the kind of a reaction is guessed, in other languages than English, whose wordings are known:
/// `Loved your idea “…”` is a person's. The first that occurs counts, so that denials come before
/// what they deny.
pub(in crate::relation) const STEMS: &[(TapbackKind, &str)] = &[
    (
        Dislike,
        "no le|pas aimé|n'aime pas| nicht | niet | ikke | inte | nie | не |non mi piace|não g|\
         mislik|ogilla|beğenmed|不喜|踩|싫|よくない",
    ),
    (
        Love,
        "lieb|herz|encant|corazón|ador|cœur|amou|amato|cuore|coração|geweldig|hartje|\
         elsk|älska|hjert|hjärta|rakast|kocha|uwielbia|любим|обожа|сердц|bayıl|爱|愛|心|ハート|大好き|하트|\
         사랑|yêu|cinta",
    ),
    (
        Laugh,
        "lach|risa|gracia|rió|rire| ri |riso|riu|grin|skratt|nauro|śmia|сме|güld|笑|웃|\
         cười|tawa",
    ),
    (
        Emphasize,
        "betont|hervor|ausruf|enfati|exclam|esclam|évidence|soulign|evidenzia|benadruk|\
         frem|beton|korost|podkreśl|выдел|подчерк|vurgul|強調|强调|강조",
    ),
    (
        Question,
        "frag|cuestion|dud|interrog|dubbio|vraag|spørsm|spørgsm|ifrågas|kyseenal|\
         kwestion|вопрос|sorgul|疑|質|물음|질문",
    ),
    (
        Like,
        "gusta|gefällt|aime|piace|curti|gosto|leuk|gilla|likte|liker|polub|нрав|beğen|thích|suka",
    ),
];

/// Parts of words that say that a reaction was taken off.
pub(in crate::relation) const REMOVAL_STEMS: &str = "\
    entfern|supprim|retir|enlev|elimin|quit|rimoss|tolto|verwijder|fjern|tog bort|poisti|usun|\
    удал|убра|премахн|kaldır|削除|取り消|取消|移除|撤|删除|刪除|제거|삭제|취소|xóa|hapus";

/// Parts of words in which a system tells of a reaction behind the quoted text. Without one of them
/// words behind a quotation are a person's answer to it.
pub(in crate::relation) const TAIL_STEMS: &str = "\
    beğen|bayıl|güld|vurgul|sorgul|tepki|ifade|kaldır|しました|ました|リアクション|좋아|싫어|사랑|표시|강조|반응|웃음|하트|제거|삭제|\
    回应|回應|赞|讚|表情|kedvel|tykkä|reago|पसंद|प्रतिक्रिया";

/// Parts of words in which the row beside an edit tells of it.
pub(in crate::relation) const EDIT_STEMS: &str = "\
    edit|modif|bearbeit|geändert|bewerkt|redig|rediger|muokat|edyt|измен|редакт|відред|düzenle|編集|\
    编辑|編輯|편집|upraven|szerkeszt|επεξεργ|chỉnh sửa|sunting|diedit|แก้ไข|संपादित|عدّل|تعديل|ערך";

/// Parts of words in which a person tells what another one said, in languages that write it behind or without
/// spaces.
pub(in crate::relation) const SPEECH_STEMS: &str =
    "って|言|と思|话说|说了|說了|什么|什麼|好的|是不是|말했|라고|dedi|diye|yazdı| said | says ";

/// Words with which a person begins to speak about a quotation, or tells whose words it has. A lead that
/// begins with one of them is no system's.
const SPEECH: &str = "\
    i i'm i'd i've im you he she we they it it's who what what's whats why when where how which did \
    does is are were re and but so or if because lol lmao yes yeah yep nope ok okay about like not \
    please just my your his her their our the this that these those thanks regarding quote quoting \
    as in for said says meant mean wrote define replied hi hey wait sorry never maybe can could \
    should would will let let's see read check ich du er sie wir ihr wer warum wieso wie wo wann \
    und aber oder nein ja meinst sagte meinte das dein mein zu der die je j'ai tu il elle nous vous \
    ils on pourquoi quoi comment qui que et mais oui c'est ton mon ce cette pour yo tú él ella qué \
    por porque cómo quién y pero sí si mi su es io lui lei cosa perché come chi ma sì mio tuo è eu \
    schön schade größer größte hübsch süß très déjà voilà ça là où así está estás también además sólo \
    então não já até più già così perché però natürlich klar dobře jasně świetnie dobrze jasne \
    oczywiście хорошо конечно ладно понятно 네 예 아니 evet tamam harika はい いいえ \
    você ele ela quem mas sim meu seu я ты он она мы вы они что почему как кто и но да нет это про";
