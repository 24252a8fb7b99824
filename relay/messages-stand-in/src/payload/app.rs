//! The payload of an app's balloon: payments, Check In, locations, games.

use crate::keyed_archive::{Archived, keyed_archive};

/// What an app shows in its balloon.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AppBalloon {
    /// `an`: the app's name.
    pub app: Option<String>,
    /// `ldtext`: what `VoiceOver` would say, such as an amount or a state.
    pub spoken: Option<String>,
    /// `userInfo`: the line under the picture.
    pub caption: Option<String>,
    /// `userInfo`: the line under that.
    pub subcaption: Option<String>,
    /// `URL`: what the app itself reads.
    pub url: Option<String>,
}

impl AppBalloon {
    /// `message.payload_data`
    pub fn payload(&self) -> Vec<u8> {
        let text = |text: &Option<String>| text.as_ref().map(Archived::text);
        let lines = [
            ("caption", text(&self.caption)),
            ("subcaption", text(&self.subcaption)),
        ];
        let has_lines = lines.iter().any(|(_, line)| line.is_some());
        let template = Archived::text("MSMessageTemplateLayout");
        keyed_archive(&Archived::dictionary([
            ("an", text(&self.app)),
            ("ldtext", text(&self.spoken)),
            ("layoutClass", has_lines.then_some(template)),
            ("userInfo", has_lines.then(|| Archived::dictionary(lines))),
            ("URL", self.url.clone().map(Archived::Url)),
        ]))
    }
}
