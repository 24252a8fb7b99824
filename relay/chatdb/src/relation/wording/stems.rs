//! Words in many languages. They decide about words around a quoted text that are not a known wording: whether the
//! software of a phone generated them, or a person wrote them.
//!
//! The words of a list are separated by `|`. An entry that ends with `*` matches all words that begin with it.
//! Any other entry matches the whole word only: `gusta` does not match `gustation`. "Quote" in a name stands
//! for the quoted text: some languages have the verb of a reaction before it and others after it.

use shared_protocol::TapbackKind::{self, Dislike, Emphasize, Laugh, Like, Love, Question};

/// A list of words and beginnings of words.
#[derive(Clone, Copy, Debug)]
pub(in crate::relation) struct Stems(&'static str);

impl Stems {
    pub(in crate::relation) const fn of(stems: &'static str) -> Self {
        Self(stems)
    }

    /// Whether `text` begins with one of the entries.
    pub(in crate::relation) fn any_begins(self, text: &str) -> bool {
        self.rests_after_match(text).next().is_some()
    }

    /// For each entry with which `text` begins, the rest of `text` from the next word on.
    pub(in crate::relation) fn rests_after_match(self, text: &str) -> impl Iterator<Item = &str> {
        self.entries()
            .filter(|(stem, is_whole)| matches_at(text, 0, stem, *is_whole))
            .map(|(stem, _)| {
                text[stem.len()..]
                    .trim_start_matches(is_in_word)
                    .trim_start()
            })
    }

    /// Whether one of the entries occurs in `text`. In a script without spaces a word may begin anywhere.
    pub(in crate::relation) fn any_occurs_in(self, text: &str) -> bool {
        self.entries().any(|(stem, is_whole)| {
            let mut places = text.match_indices(stem);
            if !stem.starts_with(is_european) {
                return places.next().is_some();
            }
            places.any(|(at, _)| {
                let before = text[..at].chars().next_back();
                !before.is_some_and(is_in_word) && matches_at(text, at, stem, is_whole)
            })
        })
    }

    /// The entries without `*`, each with whether it matches whole words only.
    fn entries(self) -> impl Iterator<Item = (&'static str, bool)> {
        let stems = self.0.split('|');
        stems.map(|stem| match stem.strip_suffix('*') {
            Some(beginning) => (beginning, false),
            None => (stem, true),
        })
    }
}

/// Whether `stem` is at the byte `at` of `text`, and ends there with the word if `is_whole`.
fn matches_at(text: &str, at: usize, stem: &str, is_whole: bool) -> bool {
    let rest = text[at..].strip_prefix(stem);
    rest.is_some_and(|rest| !is_whole || !rest.starts_with(is_in_word))
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '\''
}

/// Whether a letter is Latin, Greek or Cyrillic. Words in these scripts have spaces around them.
pub(in crate::relation) fn is_european(c: char) -> bool {
    c < '\u{530}' || matches!(c, '\u{1e00}'..='\u{1fff}')
}

/// Whether one of `parts` occurs in `words`, to which a space is added at both ends: a part with a space at its end
/// matches whole words only.
pub(in crate::relation) fn contains_any_part(words: &str, parts: &str) -> bool {
    let words = format!(" {words} ");
    parts.split('|').any(|part| words.contains(part))
}

/// Whether `word` is one of the words of [`FIRST_WORDS_OF_PERSONS`].
pub(in crate::relation) fn is_first_word_of_persons(word: &str) -> bool {
    FIRST_WORDS_OF_PERSONS
        .split_ascii_whitespace()
        .any(|known| known == word)
}

/// Whether `word` is in [`FIRST_WORDS_OF_PERSONS`] or [`FURTHER_WORDS_OF_PERSONS`].
pub(in crate::relation) fn is_word_of_persons(word: &str) -> bool {
    is_first_word_of_persons(word)
        || FURTHER_WORDS_OF_PERSONS
            .split_ascii_whitespace()
            .any(|known| known == word)
}

/// Verbs of a reaction before the quoted text, in languages other than English. English is left out: all wordings
/// that phones generate in English are known, so another one, such as `Loved your idea “…”`, is a person's.
pub(in crate::relation) const VERBS_BEFORE_QUOTE: &[(TapbackKind, Stems)] = &[
    (
        Dislike,
        Stems(
            "kan ikke lide|kunne ikke lide|mislik*|ogilla*|misfall*|verabscheut*|déteste|détesté|detesta|detestó|detestou|beğenmed*|\
             nelíbí|nelíbil*|nepáči*|nepatiko|nevšeč|membenci|不喜欢|不喜歡|不赞|踩了|踩|싫어함",
        ),
    ),
    (
        Love,
        Stems(
            "liebt|liebte|encantó|encanta|encantan|encantaron|ha encantado|ha encantat|adoró|adoré|\
             adorou|adorat|adorato|amó|amou|amato|amé|dio un corazón|elsker|elskede|elsket|elskar|\
             älskar|älskade|älskat|elskaði|rakasti|rakastaa|kocha|pokochał*|ukochał*|uwielbia|uwielbił*|\
             miluje|miloval*|zamiloval*|zbožňuje|ľúbi|obožava|obožuje|voli|iubește|a iubit|imádja|imádta|szereti|szerette|\
             любит|полюбил*|полюбилось|обожает|обожава|кохає|обожнює|люби|bayıldı*|λάτρεψε|αγάπησε|\
             爱了|愛了|大好き|yêu thích|đã yêu|mencintai|menyayangi|sangat menyukai|אהב|אהבה|אהב/ה|\
             أحب|أحبت|ถูกใจมาก|รัก",
        ),
    ),
    (
        Laugh,
        Stems(
            "lacht über|lachte über|lacht om|lachte om|gelacht|se rio|se rió|rió|ri de|ri à|ri pour|\
             dio risa|dado risa|causó risa|da risa|hizo gracia|hace gracia|hecho gracia|riso|riu|riu-se|\
             griner|grinede|grinte|skrattar|skrattade|skrattat|ler av|lo av|lo ad|hló|nauroi|nauraa|\
             zaśmia*|śmieje|śmiał*|roześmia*|směje|smál*|zasmál*|smeje|smial*|zasmial*|\
             smije|smijao|smijala|smejal*|nasmijao|nasmejal*|râde|a râs|nevet|nevetett|\
             смеется|смеётся|рассмеш*|засмеял*|посмеял*|рассмеял*|насмешил*|сміється|засміяв*|смее|\
             γέλασε|γελάει|güldü|大笑|笑了|cười|đã cười|menertawakan|tertawa|ketawa|צחק*|ضحك*|หัวเราะ*",
        ),
    ),
    (
        Emphasize,
        Stems(
            "betont|betonte|hebt hervor|hob hervor|hervorgehoben|enfatizó|enfatiza|ha enfatizado|enfatizou|\
             enfatizzato|enfatizza|exclamó|exclamou|exclamé|s'est exclamé*|mis en évidence|met en évidence|\
             souligne|souligné|subrayó|resaltó|destacó|destacou|sublinhou|evidenziato|evidenzia|\
             sottolineato|benadrukt|benadrukte|fremhev*|fremhæv*|understrek*|understreg*|betonade|\
             betonar|underströk|poängterade|lagði áherslu|korosti|korostaa|podkreśl*|zdůraznil*|zvýraznil*|\
             zdůrazňuje|zdôraznil*|zdôrazňuje|zvýrazňuje|naglasi*|istaknu*|istakla|poudaril*|a subliniat|\
             a evidențiat|accentuat|kiemelte|kiemeli|hangsúlyoz*|выделил*|выделено|подчерк*|підкресл*|\
             виділив|виділила|подчерта*|τόνισε|τονίζει|vurgula*|強調した|强调了|強調了|nhấn mạnh|đã nhấn mạnh|\
             menekankan|menegaskan|הדגיש*|شدد*|أكد*|เน้น*",
        ),
    ),
    (
        Question,
        Stems(
            "hinterfragt|hinterfragte|stellt infrage|cuestionó|cuestiona|ha cuestionado|dudó|dudado|duda de|\
             duda sobre|s'interroge|s'est interrogé*|interrogé sur|questionné|questionou|questiona|\
             mis en doute|mis en question|messo in dubbio|messo in discussione|ha dubbi|betwijfel*|\
             ifrågas*|stiller spørsmål*|satte spørsm*|satte spørgsm*|efaðist|kyseenalaist*|zakwestion*|\
             kwestionuje|zpochybn*|spochybn*|propituje|dovodi u pitanje|pune la îndoială|a pus la îndoială|\
             megkérdőjelez*|kétségbe von*|усомнил*|сомневается|поставил* под|поставив* під|αμφισβήτησε|\
             αμφισβητεί|sorgulad*|sorguluyor|质疑了|質疑了|đã hỏi|thắc mắc|mempertanyakan|menyoal|\
             שאל*|הטיל ספק|تساءل*|شكك*|สงสัย*",
        ),
    ),
    (
        Like,
        Stems(
            "gusta|gustó|gustan|gustaron|gustado|agradó|agrada a|gefällt|gefiel|mag|mochte|aime|aimé|\
             piace|è piaciuto|piaciuto|curtiu|curtido|gosta de|gostou|vindt leuk|vond leuk|gillar|\
             gillade|likte|liker|synes om|syntes om|synes godt|syntes godt|kan lide|kunne lide|\
             líkaði|líkar|tykkäsi|tykkää|pitää|piti|polub*|lubi|spodobał*|líbí|líbil*|páči*|páčil*|sviđa|\
             svidjel*|svidio|svidel*|všeč|apreciază|a apreciat|place|a plăcut|i-a plăcut|tetszik|tetszett|\
             kedveli|kedvelte|kedvelt|нравится|понравил*|вподоба*|сподоба*|подобається|хареса*|\
             се допада|свиђа|ұнат*|ұнайды|άρεσε|αρέσει|του άρεσε|της άρεσε|beğendi|beğeniyor|patiko|\
             patinka|meeldi*|patika|patīk|pëlqe*|喜欢|喜欢了|喜歡|喜歡了|赞了|讚了|赞|讚好|點讚|点赞|\
             thích|đã thích|menyukai|menyenangi|suka dengan|disukai|nagustuhan|gusto ni|חיבב*|\
             أعجب*|يعجب*|ถูกใจ|ชอบ|ने पसंद किया",
        ),
    ),
];

/// Verbs of a reaction after the quoted text. Any other words after it are the answer of a person.
pub(in crate::relation) const VERBS_AFTER_QUOTE: &[(TapbackKind, Stems)] = &[
    (Dislike, Stems("beğenmed*|싫어함|싫어했|よくないねし|नापसंद")),
    (
        Love,
        Stems(
            "bayıldı|sevdi|を愛|大好きと|ハートを|ハートし|사랑함|사랑했|하트를|하트 표시|imádta|dil se",
        ),
    ),
    (
        Laugh,
        Stems("güldü|に笑い|を笑い|に笑っ|웃음을|웃음 표시|웃었|हँस|हंस"),
    ),
    (
        Emphasize,
        Stems("vurguladı|を強調し|に感嘆|강조함|강조했|느낌표를|ज़ोर दिया|जोर दिया"),
    ),
    (
        Question,
        Stems("sorguladı|に疑問|を疑問|に質問し|물음표를|의문을|सवाल किया"),
    ),
    (
        Like,
        Stems(
            "beğendi|いいねし|いいねを|いいね!し|いいね！し|気に入りました|気に入った|좋아함|좋아했|좋아요를|좋아요 표시|\
             tykkäsi|kedvelte|पसंद किया|को पसंद|को लाइक",
        ),
    ),
];

/// The names of single reactions, such as "heart". Phones generate them when a reaction is removed.
pub(in crate::relation) const NAMES_OF_REACTIONS: &[(TapbackKind, Stems)] = &[
    (
        Dislike,
        Stems("no me gusta|je n'aime pas|non mi piace|não gosto|gefällt mir nicht|niet leuk"),
    ),
    (
        Love,
        Stems(
            "herz|corazón|cor|cœur|cuore|coração|hart|hartje|hjerte|hjärta|sydän|sydämen|serce|srdce|\
             srce|inimă|szív*|сердц*|сердечк*|серц*|сърце*|καρδιά|kalp|kalbi|心形|爱心|愛心|ハート|하트|\
             trái tim|hati|לב|قلب|หัวใจ|दिल",
        ),
    ),
    (
        Laugh,
        Stems(
            "lachen|risa|rire|risata|riso|risada|lach|latter|skratt|śmiech*|smích|smiech|смех|笑|웃음",
        ),
    ),
    (
        Emphasize,
        Stems(
            "ausrufezeichen|exclam*|esclam*|uitroepteken|utropstegn|udråbstegn|utropstecken|wykrzyknik|\
             vykřičník|výkričník|uskličnik|восклиц*|強調|感嘆|강조|느낌표",
        ),
    ),
    (
        Question,
        Stems(
            "fragezeichen|interrog*|vraagteken|spørsmålstegn|spørgsmålstegn|frågetecken|znak zapytania|\
             otazník|upitnik|вопрос*|疑問|疑问|疑問符|물음표",
        ),
    ),
    (
        Like,
        Stems(
            "gefällt mir|like|me gusta|j'aime|mi piace|curtida|gosto|vind ik leuk|polubieni*|\
             いいね|좋아요|赞|讚|לייק|إعجاب|ถูกใจ",
        ),
    ),
];

/// Verbs before the quoted text that say that a reaction was removed.
pub(in crate::relation) const REMOVAL_VERBS: Stems = Stems(
    "removed|entfernt|entfernte|supprimé|a supprimé|retiré|enlevé|eliminó|eliminado|quitó|quitado|\
     borró|ha suprimit|suprimit|rimosso|tolto|eliminato|removeu|removido|retirou|verwijderd|verwijderde|\
     fjernet|fjernede|fjernar|fjarlægði|tog bort|tagit bort|poisti|usunięto|usunął|usunęła|odebral*|\
     odstranil*|odstránil*|uklonio|uklonila|uklonjen*|odstranjen*|a eliminat|a șters|eltávolít*|удалил*|\
     удален*|удалён*|убрал*|прибра*|видали*|премахна*|αφαίρεσε|κατάργησε|取り消し|取消了|取消|移除了|移除|\
     删除了|刪除了|撤回了|撤销了|đã xóa|đã xoá|xóa|đã gỡ|gỡ|menghapus|membuang|mengalih keluar|הסיר*|\
     أزال*|نำ|ลบ|हटा",
);

/// Verbs after the quoted text that say that a reaction was removed.
pub(in crate::relation) const REMOVAL_VERBS_AFTER_QUOTE: Stems = Stems(
    "kaldırdı|geri aldı|削除しました|取り消しました|外しました|제거함|삭제함|취소함|제거했|삭제했|취소했|हटाया|हटा दिया|\
     verwijderd|entfernt",
);

/// Verbs of a reaction with an emoji, before the quoted text.
pub(in crate::relation) const EMOJI_VERBS_BEFORE_QUOTE: Stems = Stems(
    "reage*|reagi*|reago*|reagu*|reagá*|reagav*|reagál*|réagi*|reacci*|reacț*|reacţ*|reat*|\
     reakt*|reaģ*|zareag*|odreag*|odgovori*|gereageerd|bereaksi|memberi reaksi|bertindak balas|\
     brást við|отреаг*|реагир*|реагу*|відреаг*|реакц*|αντέδρασ*|αντιδρ*|tepki|反应|反應|回应了|回應了|用|\
     thể hiện cảm xúc|bày tỏ cảm xúc|đã bày tỏ|הגיב*|تفاعل*|แสดงความรู้สึก*|ตอบสนอง*",
);

/// Verbs of a reaction with an emoji, after the quoted text.
pub(in crate::relation) const EMOJI_VERBS_AFTER_QUOTE: Stems = Stems(
    "reagiert|gereageerd|reagált|reagoi|tepki|ifade|リアクション|回应|回應|反应|反應|表情|반응|प्रतिक्रिया|रिएक्ट",
);

/// Words for "reaction". When a reaction is removed, some phones generate them instead of its name.
pub(in crate::relation) const WORDS_FOR_REACTION: Stems = Stems(
    "reaction|reacción|reacció|réaction|reazione|reação|reaktion|reaktionen|reactie|reaksjon*|\
     reaktio*|reakcj*|reakci*|reakce|reacție|reacția|реакц*|реакці*|αντίδραση|リアクション|반응|回应|回應|反应|反應|reaksi|\
     תגובה|تفاعل|प्रतिक्रिया",
);

/// Negations.
pub(in crate::relation) const NEGATIONS: Stems = Stems(
    "no|non|não|pas|nicht|niet|ikke|ikkje|inte|ekki|ei|nie|ne|ni|nu|nem|не|δεν|không|tidak|tak|hindi|\
     לא|لم|لا|不|没|沒|ไม่",
);

/// Small words that may precede the verb, such as auxiliary verbs and pronouns.
pub(in crate::relation) const WORDS_BEFORE_VERB: Stems = Stems(
    "ha|han|hat|hatte|a|à|ont|s'est|se|si|sa|je|heeft|har|hefur|le|les|lui|gli|li|i|va|se ha|mu|joj|ei|\
     i-a|l-a|του|της|đã|telah|hindi|لم|לא|не|n'a|n'|no|non|não|ne|nie|nu|nem|ni|không|tidak|ei",
);

/// Prepositions and words for "message" of any length that may stand between the verb and the quoted text.
pub(in crate::relation) const WORDS_AFTER_VERB: Stems = Stems(
    "sobre|para|over|über|från|viest*|pesan*|mesej*|zpráv*|správ*|wiadomoś*|poruk*|sporoč*|mesajul|üzenet*|\
     сообщение|повідомлення|tin nhắn|το μήνυμα",
);

/// Short words between an emoji and the quoted text.
pub(in crate::relation) const PARTICLES: Stems = Stems(
    "a|al|an|ao|auf|bij|con|de|di|em|en|fra|ke|ki|ko|la|med|met|mit|na|ng|om|op|pe|pre|pro|sa|si|su|\
     sur|til|till|u|uz|v|voor|w|z|za",
);

/// Parts of words for "edit", "change" or "replace", which occur in edit notices.
pub(in crate::relation) const EDIT_PARTS: &str = "\
    edit|modif|remplac|reemplaz|substitu|sostitu|ersetzt|vervangen|gewijzigd|ändrad|ændret|endret|zmieni|zmen|změn|\
    замен|değiştir|変更|更改|변경|bearbeit|geändert|bewerkt|redig|rediger|muokat|edyt|измен|редакт|відред|düzenle|編集|\
    编辑|編輯|편집|upraven|szerkeszt|επεξεργ|chỉnh sửa|sunting|diedit|แก้ไข|संपादित|عدّل|تعديل|ערך";

/// Parts of words with which a person reports what another person said, in languages that write these words
/// after the quotation or without spaces.
pub(in crate::relation) const SPEECH_PARTS: &str =
    "って|言|と思|话说|说了|說了|什么|什麼|好的|是不是|말했|라고|dedi|diye|yazdı| said | says ";

/// Words with which a person begins a remark about a quotation or its author. Words that begin with one of them are a
/// person's, unless they are a known wording.
const FIRST_WORDS_OF_PERSONS: &str = "\
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
    você ele ela quem mas sim meu seu я ты он она мы вы они что почему как кто и но да нет это про \
    mir mich jeg jag мне меня мой моя мені mne minä ek ég";

/// Further words that persons write and phones do not generate, in the languages whose verbs are listed above. Words
/// that have one of them and no verb of a reaction are a person's.
const FURTHER_WORDS_OF_PERSONS: &str = "\
    für über von vom zum zur bei mit auf an am im ein eine einen danke bitte später früher übrigens \
    bezüglich tschüss ähm äh hä häh ach genau größe grüße überraschung möchte würde könnte könnt müsst muss \
    à de du des le la les un une sur avec dans merci désolé génial présent voilà à-propos ton ta ma \
    là-dessus même peut-être bientôt répète répond écris papa mama mamá papá maman \
    el los las una de del con sobre gracias según después mañana adiós buenísimo genial también más \
    o os as um uma da do em obrigado obrigada amanhã depois mãe pai ótimo avó vovó olá il lo gli di \
    in per grazie domani perciò caffè för är och det som en ett på av til til tack också senare \
    här när då från før på og å være også tak takk så når være w z na do za po o to jest proszę \
    dziękuję później też cześć właśnie śmieszne že je se v s k o pro děkuji díky později příště \
    ďakujem prečo čo ako teşekkürler için bu şu çok güzel ne niye neden görüşürüz şimdi \
    в на с со о об от для за к по из у спасибо привет мама папа бабушка пока потом завтра сегодня \
    ага угу супер круто точно класс отлично ну вот так там тут где когда зачем опять снова твой твоя твое твоё \
    дякую привіт так ні що це про благодаря хвала здраво здравей \
    το η ο τα για με στο στη από και ναι όχι ευχαριστώ γεια μαμά τι γιατί πού πότε ωραία εντάξει \
    תודה אמא אבא שלום כן לא מה למה איפה מתי אני אתה את זה על של \
    شكرا شكراً مرحبا ماما بابا نعم لا ماذا لماذا متى أين أنا أنت هذا عن في من على حبيبي حبيبتي צודק מותק אהובי अरे ที่รัก \
    धन्यवाद हाँ नहीं क्या क्यों कब कहाँ मैं तुम यह वह माँ ขอบคุณ แม่ พ่อ ใช่ ไม่ใช่ อะไร ทำไม cảm xin mẹ bố vâng";
