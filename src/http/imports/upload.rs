//! Taking a file in: streamed from the socket into the database, whatever its size.

use super::super::caller::Uploader;
use super::super::{Answer, Problem, State};
use actix_multipart::{Field, Multipart};
use actix_web::{HttpResponse, post, web};
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use signalbox_core::files::{StoredFile, Upload};
use signalbox_core::imports::{self, Mapping, Mode, Submitted};
use signalbox_core::kernel::error::{Error, Kind};

/// Bytes of a part that is not the file, at most.
const LONGEST_PART: usize = 64 * 1_024;

/// A file and what to do with it.
#[derive(utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "tells the document what the parts are; they are read as they come"
)]
struct Parts {
    /// The CSV file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// Always `users`.
    #[schema(example = "users")]
    kind: Option<String>,
    /// `preview`, `dry_run` or `commit`.
    mode: Mode,
    /// Field to column, as JSON; read from the header when absent.
    mapping: Option<Mapping>,
}

/// What has arrived.
#[derive(Default)]
struct Arrived {
    file: Option<StoredFile>,
    mode: Option<Mode>,
    mapping: Option<Mapping>,
}

impl Arrived {
    /// The same for the same content, whatever stands between the parts.
    fn hash(&self) -> [u8; 32] {
        let file = self
            .file
            .as_ref()
            .map(|file| (&file.name, file.size, file.sha256));
        Sha256::digest(format!("{file:?} {:?} {:?}", self.mode, self.mapping)).into()
    }
}

/// Upload a file to import
///
/// CSV in UTF-8, up to 1,000,000 lines. `preview` only keeps it, `dry_run` judges every line, `commit` imports.
#[utoipa::path(
    operation_id = "imports.create", tag = "imports",
    request_body(content = Parts, content_type = "multipart/form-data"),
    responses((status = 202, body = Submitted), (status = 403, body = super::super::problem::Body),
              (status = 413, body = super::super::problem::Body), (status = 422, body = super::super::problem::Body))
)]
#[post("/imports")]
pub(super) async fn create(
    state: web::Data<State>,
    mut caller: Uploader,
    parts: Multipart,
) -> Answer<HttpResponse> {
    // before the first byte is kept
    caller.require("imports:create")?;
    caller.require("users:import")?;
    let mut arrived = Arrived::default();
    let mut read = read(&state, &caller, parts, &mut arrived).await;
    if read.is_ok() {
        read = caller.sent(&state, arrived.hash()).await;
    }
    let Arrived { file, mode, mapping } = arrived;
    if let Some(file) = &file
        && (read.is_err() || mode.is_none())
    {
        signalbox_core::files::delete(&state.store, file.id).await?;
    }
    read?;
    let file =
        file.ok_or_else(|| Error::field("file", "missing", "Send the file as the part named file."))?;
    let mode = mode.ok_or_else(|| Error::field("mode", "missing", "Say preview, dry_run or commit."))?;
    let submitted = imports::submit(&state.store, &caller, &file, mode, mapping).await?;
    Ok(HttpResponse::Accepted().json(submitted))
}

async fn read(state: &State, caller: &Uploader, mut parts: Multipart, arrived: &mut Arrived) -> Answer<()> {
    while let Some(part) = parts.try_next().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "file" if arrived.file.is_none() => arrived.file = Some(store(state, caller, part).await?),
            "mode" => {
                let said = text(part).await?;
                let mode = Mode::parse(said.trim());
                arrived.mode =
                    Some(mode.ok_or_else(|| {
                        Error::field("mode", "unknown", "mode is preview, dry_run or commit.")
                    })?);
            }
            "kind" => {
                if text(part).await?.trim() != "users" {
                    return Err(Error::field("kind", "unknown", "Only users can be imported.").into());
                }
            }
            "mapping" => {
                let said = text(part).await?;
                if !said.trim().is_empty() {
                    let mapping = serde_json::from_str(&said);
                    arrived.mapping = Some(mapping.map_err(|_| {
                        Error::field(
                            "mapping",
                            "unreadable",
                            "mapping is a JSON object of field to column, such as {\"email\": \"E-mail\"}.",
                        )
                    })?);
                }
            }
            _ => {
                return Err(Error::field(
                    name,
                    "unknown_part",
                    "The parts are file, kind, mode and mapping.",
                )
                .into());
            }
        }
    }
    Ok(())
}

/// Streams the file's part. What an upload leaves when its client goes away is swept.
async fn store(state: &State, caller: &Uploader, mut part: Field) -> Answer<StoredFile> {
    let name = part
        .content_disposition()
        .and_then(|said| said.get_filename())
        .unwrap_or("file.csv")
        .to_owned();
    let mut upload = Upload::begin(&state.store, caller, &name, state.settings.imports.max_bytes).await?;
    loop {
        let written = match part.try_next().await {
            Ok(None) => return Ok(upload.finish().await?),
            Ok(Some(bytes)) => upload.write(&bytes).await.map_err(Problem::from),
            Err(error) => Err(broken(error)),
        };
        if let Err(problem) = written {
            upload.discard().await?;
            return Err(problem);
        }
    }
}

async fn text(mut part: Field) -> Answer<String> {
    let mut bytes = Vec::new();
    while let Some(piece) = part.try_next().await.map_err(broken)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > LONGEST_PART {
            return Err(Error::new(
                Kind::TooLarge,
                "request.too_large",
                "A part besides the file has 64 KiB at most.",
            )
            .into());
        }
    }
    String::from_utf8(bytes).map_err(|_| {
        Error::new(
            Kind::Malformed,
            "request.not_utf8",
            "This part is not UTF-8 text.",
        )
        .into()
    })
}

fn broken(error: actix_multipart::MultipartError) -> Problem {
    Error::new(
        Kind::Malformed,
        "request.not_multipart",
        format!("Send multipart/form-data with the parts file, kind and mode. What came could not be read: {error}."),
    )
    .into()
}
