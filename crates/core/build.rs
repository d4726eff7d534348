//! Puts the built web page (`ui/dist`) into the binary, compressed once here and never while serving. Without a built
//! page a placeholder is served, so that Core builds without Node.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Files smaller than this are not worth compressing, in bytes.
const COMPRESS_FROM_BYTES: usize = 512;

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let dist = root.join("../../ui/dist");
    // A watched path that is missing would make cargo build again every time.
    if dist.parent().is_some_and(Path::exists) {
        fs::create_dir_all(&dist).expect("ui/dist can be made");
    }
    println!("cargo::rerun-if-changed={}", dist.display());
    println!(
        "cargo::rerun-if-changed={}",
        root.join("src/http/placeholder").display()
    );
    let from = if dist.join("index.html").exists() {
        dist
    } else {
        root.join("src/http/placeholder")
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut files = Vec::new();
    list(&from, &mut files);
    files.sort();
    let mut table = String::from("&[\n");
    for (number, file) in files.iter().enumerate() {
        let path = file
            .strip_prefix(&from)
            .expect("it was found below")
            .to_str()
            .expect("names of assets are UTF-8");
        let bytes = fs::read(file).expect("an asset can be read");
        let (br, gz) = compress(&bytes, path);
        let plain = keep(&out, number, "plain", Some(&bytes));
        let br = keep(&out, number, "br", br.as_deref());
        let gz = keep(&out, number, "gz", gz.as_deref());
        let etag = blake3::hash(&bytes).to_hex();
        table += &format!(
            "Asset {{ path: {path:?}, etag: \"\\\"{}\\\"\", plain: {plain}, br: {br}, gz: {gz} }},\n",
            &etag[..16],
        );
    }
    table += "]";
    fs::write(out.join("assets.rs"), table).expect("OUT_DIR can be written");
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of assets can be read") {
        let path = entry.expect("an entry can be read").path();
        match path.is_dir() {
            true => list(&path, files),
            false => files.push(path),
        }
    }
}

/// Brotli and gzip, where they make a file smaller.
fn compress(bytes: &[u8], path: &str) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let packed = [".woff2", ".png", ".jpg", ".webp", ".br", ".gz"]
        .iter()
        .any(|extension| path.ends_with(extension));
    if bytes.len() < COMPRESS_FROM_BYTES || packed {
        return (None, None);
    }
    // Build scripts of debug builds are slow themselves.
    let release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let (quality, level) = if release { (11, 9) } else { (4, 6) };
    let mut br = Vec::new();
    brotli::CompressorWriter::new(&mut br, 4096, quality, 22)
        .write_all(bytes)
        .expect("memory takes all");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    gz.write_all(bytes).expect("memory takes all");
    let gz = gz.finish().expect("memory takes all");
    let smaller = |packed: Vec<u8>| (packed.len() < bytes.len()).then_some(packed);
    (smaller(br), smaller(gz))
}

fn keep(out: &Path, number: usize, form: &str, bytes: Option<&[u8]>) -> String {
    let some = |file: &Path| {
        format!(
            "include_bytes!({:?})",
            file.to_str().expect("OUT_DIR is UTF-8")
        )
    };
    match bytes {
        None => "None".into(),
        Some(bytes) => {
            let file = out.join(format!("asset-{number}.{form}"));
            fs::write(&file, bytes).expect("OUT_DIR can be written");
            if form == "plain" {
                some(&file)
            } else {
                format!("Some({})", some(&file))
            }
        }
    }
}
