//! Made-up people, the same for the same row number.

use std::io::{BufWriter, Write};

const FIRST: &[&str] = &[
    "Ada", "Grace", "Edsger", "Barbara", "Donald", "Radia", "Leslie", "Frances", "Ken", "Margaret", "Alan",
    "Shafi",
];
const LAST: &[&str] = &[
    "Lovelace", "Hopper", "Dijkstra", "Liskov", "Knuth", "Perlman", "Lamport", "Allen", "Thompson",
    "Hamilton", "Turing",
];
const DEPARTMENT: &[&str] = &[
    "Trust & Safety",
    "Platform",
    "Growth",
    "Payments",
    "Support",
    "Legal",
    "Sales",
];

/// Writes a CSV of `rows` people.
pub fn write(to: &mut impl Write, rows: u32) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, to);
    writeln!(out, "Full name,E-mail,Phone,Department")?;
    for n in 0..rows {
        // addresses in no order, as in life: sorted ones would flatter every index
        let scattered = n.wrapping_mul(2_654_435_761);
        let pick =
            |from: &'static [&'static str], shift: u32| from[(scattered >> shift) as usize % from.len()];
        let (first, last) = (pick(FIRST, 3), pick(LAST, 11));
        writeln!(
            out,
            "{first} {last},{}.{}.{scattered:08x}@example.com,+1 555 {n:07},{}",
            first.to_lowercase(),
            last.to_lowercase(),
            pick(DEPARTMENT, 17)
        )?;
    }
    Ok(out.flush()?)
}
