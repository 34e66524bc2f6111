//! The two flags of the examples that only show something.

pub(crate) struct Flags {
    pub(crate) live: bool,
    pub(crate) json: bool,
}

/// `None` after `--help`, which has been printed.
pub(crate) fn flags(usage: &str) -> Result<Option<Flags>, String> {
    let mut flags = Flags { live: false, json: false };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--live" => flags.live = true,
            "--json" => flags.json = true,
            "-h" | "--help" => {
                println!("{usage}");
                return Ok(None);
            }
            other => return Err(format!("unknown argument `{other}`\n\n{usage}")),
        }
    }
    Ok(Some(flags))
}
