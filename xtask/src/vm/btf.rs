//! Takes the description that a kernel has of its types, its BTF, out of its image without booting it, and lets the test
//! of gomon's offsets look for every member there.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};

use super::kernels::Kernel;
use crate::setup::kernels as images;
use crate::{cache, command, say, workspace};

/// The directory that the test reads.
const VARIABLE: &str = "GOMON_BTF";
const TEST: &str = "kernel::offsets::tests::a_kernel_with_btf_offers_every_member";

/// How a kernel's payload begins, and what unpacks it.
const UNPACKERS: [(&[u8], &[&str]); 4] = [
    (&[0xfd, b'7', b'z', b'X', b'Z'], &["xz", "-dc"]),
    (&[0x28, 0xb5, 0x2f, 0xfd], &["zstd", "-dc"]),
    (&[0x02, 0x21, 0x4c, 0x18], &["lz4", "-dc"]),
    (&[0x1f, 0x8b], &["gzip", "-dc"]),
];

/// Looks into the kernels that the cache has.
pub(super) fn check(kernels: &[Kernel]) -> Result<ExitCode> {
    let dir = cache::dir("btf")?;
    fs::remove_dir_all(&dir)?;
    let dir = cache::dir("btf")?;
    let mut seen = BTreeSet::new();
    for image in kernels.iter().filter_map(|kernel| images::cached(&kernel.source)) {
        if seen.insert(image.release.clone()) {
            say::progress(format_args!("reading {}", image.release));
            let btf = of_image(&image.vmlinuz).with_context(|| format!("cannot read {}", image.release))?;
            fs::write(dir.join(&image.release), btf)?;
        }
    }
    if seen.is_empty() {
        bail!("the cache has no kernel; `cargo xtask vm --all` fetches them");
    }
    let mut test = workspace::cargo();
    test.args(["test", "--quiet", "--package", "monitor", "--lib", "--", "--exact", TEST]);
    let passed = test.env(VARIABLE, &dir).status().context("cannot start cargo")?.success();
    if !passed {
        return Ok(ExitCode::FAILURE);
    }
    say::result(format_args!("every member is in {}", seen.into_iter().collect::<Vec<_>>().join(", ")));
    Ok(ExitCode::SUCCESS)
}

fn of_image(vmlinuz: &Path) -> Result<Vec<u8>> {
    let image = fs::read(vmlinuz)?;
    let elf = unpack(payload(&image).context("this is no kernel image for x86")?)?;
    let kernel = object::File::parse(elf.as_slice()).context("the payload is no ELF file")?;
    let section = kernel.section_by_name(".BTF").context("the kernel has no BTF")?;
    Ok(section.data()?.to_vec())
}

/// The compressed kernel inside of a bzImage (Documentation/arch/x86/boot.rst: `setup_sects`, `payload_offset`,
/// `payload_length`).
fn payload(image: &[u8]) -> Option<&[u8]> {
    const SECTOR: usize = 512;
    let number = |at: usize| {
        let bytes = image.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let setup_sectors = match image.get(0x1f1)? {
        0 => 4,
        sectors => usize::from(*sectors),
    };
    let start = (setup_sectors + 1) * SECTOR + number(0x248)?;
    image.get(start..start.checked_add(number(0x24c)?)?)
}

fn unpack(payload: &[u8]) -> Result<Vec<u8>> {
    let (_, line) = UNPACKERS
        .iter()
        .find(|(magic, _)| payload.starts_with(magic))
        .context("the kernel is compressed in an unknown way")?;
    let (program, arguments) = line.split_first().context("no unpacker")?;
    let program = command::find(program).with_context(|| format!("{program} is not installed"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut input = child.stdin.take().context("no input")?;
    let payload = payload.to_vec();
    let writer = thread::spawn(move || {
        // It may stop reading at the kernel's size, which follows the compressed data and which it takes for garbage.
        let _ = input.write_all(&payload);
    });
    let output = child.wait_with_output()?;
    let _ = writer.join();
    if output.stdout.is_empty() {
        bail!("nothing could be unpacked");
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_where_the_header_says() {
        let mut image = vec![0; 3 * 512 + 64];
        image[0x1f1] = 2;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248] = 16;
        image[0x24c] = 4;
        image[3 * 512 + 16..][..4].copy_from_slice(b"here");
        assert_eq!(payload(&image), Some(&b"here"[..]));
        image[0x24f] = 1;
        assert_eq!(payload(&image), None);
        assert_eq!(payload(b"MZ"), None);
    }
}
