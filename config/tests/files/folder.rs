//! A folder with the files that the examples name.

use std::path::{Path, PathBuf};

pub const EXAMPLE: &str = include_str!("../../campaign.example.toml");

pub const MINIMAL: &str = r#"
[campaign]
name = "m"
mode = "progressive"
jurisdiction = "none"

[[trunk]]
name = "carrier"
uri = "sip:127.0.0.1"
caller_ids = ["+15550000001"]

[agents]
[[agents.agent]]
user = "a"
password = "b"

[list]
file = "contacts.csv"
"#;

pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("contacts.csv"), "id,number\n1,+15550100001\n").unwrap();
        std::fs::write(folder.path().join("dnc.csv"), "+15550100009\n").unwrap();
        folder.wav("sorry.wav", 8_000, 1, 800);
        folder
    }

    /// A file with the certificate of an authority: `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes
    /// -days 36500 -keyout /dev/null -subj /CN=authority`.
    pub fn authority(&self) -> std::path::PathBuf {
        let file = self.path().join("authority.pem");
        std::fs::write(&file, include_str!("authority.pem")).unwrap();
        file
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn wav(&self, name: &str, rate: u32, channels: u16, samples: u32) {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(self.path().join(name), spec).unwrap();
        for sample in 0..samples {
            writer.write_sample((sample % 100) as i16).unwrap();
        }
        writer.finalize().unwrap();
    }

    pub fn write(&self, text: &str) -> PathBuf {
        let path = self.path().join("campaign.toml");
        std::fs::write(&path, text).unwrap();
        path
    }
}
