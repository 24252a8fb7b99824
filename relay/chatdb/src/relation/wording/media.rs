//! Names of media, by language. A reaction to a message without words has such a name instead of a quotation.

/// The kind of a message without words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Image,
    Video,
    Audio,
    Sticker,
    /// A link that is shown in a row of its own.
    Link,
    /// What an app shows and is neither a file nor a link. The row of such a message is not searched for, so a reaction
    /// to it has no target.
    Balloon,
    /// A file, of any kind.
    Any,
}

/// The names, separated by `|`. Plurals are written without their number: `Loved 2 images`.
const NAMES: &[(Media, &str)] = &[
    (
        Media::Image,
        "an image|a photo|a picture|a gif|images|photos|pictures|imágenes|fotos|bilder|\
         immagini|imagens|afbeeldingen|una imagen|una foto|una imatge|une image|une photo|\
         ein bild|ein foto|un'immagine|uma imagem|uma foto|een afbeelding|een foto|\
         et billede|et bilde|et foto|en bild|ett foto|kuvasta|zdjęcie|obraz|изображение|фото|\
         зображення|一张图片|一张照片|一張圖片|一張照片|图片|圖片|照片|イメージ|画像|写真|이미지|사진|bir görüntüyü",
    ),
    (
        Media::Video,
        "a movie|a video|videos|movies|un video|un vídeo|una película|une vidéo|un film|\
         ein video|einen film|ein film|un filmato|um vídeo|um filme|een video|een film|\
         en film|en video|film|видео|一个视频|一段影片|ビデオ|동영상",
    ),
    (
        Media::Audio,
        "an audio message|a voice message|an audio recording|a voice memo|audio messages|\
         un mensaje de audio|un mensaje de voz|un message audio|un message vocal|\
         eine audionachricht|eine sprachnachricht|un messaggio audio|un messaggio vocale|\
         uma mensagem de áudio|een audiobericht|аудиосообщение",
    ),
    (Media::Sticker, "a sticker|a memoji sticker|stickers"),
    (
        Media::Link,
        "a link|a website|links|un enlace|un lien|einen link|ein link|un link|um link|\
         een link|et link|en länk|ссылка|ссылку|链接|連結|リンク|링크",
    ),
    (
        Media::Balloon,
        "a digital touch message|a handwritten message|a poll",
    ),
    (
        Media::Any,
        "an attachment|a file|a contact|a contact card|a location|a document|a live photo|\
         a memoji|an animoji|memojis|contacts|attachments|files|un archivo adjunto|\
         un archivo|une pièce jointe|einen anhang|ein anhang|un allegato|um anexo|\
         een bijlage|et vedlegg|en bilaga|załącznik|вложение|添付ファイル",
    ),
];

impl Media {
    /// The kind of media with this name.
    pub(in crate::relation) fn from_name(name: &str) -> Option<Self> {
        let has = |names: &str| names.split('|').any(|known| known == name);
        let (media, _) = NAMES.iter().find(|(_, names)| has(names))?;
        Some(*media)
    }
}
