//! Slices full of random numbers, by counting: element i is a function of its index.

use crate::simd::vectorize;
use crate::team;

/// Random blocks drawn side by side, so that the draws vectorize.
const BLOCKS: usize = 32;

/// Fills `y` with what `draw` makes of random blocks: elements i `N` to i `N` + `N` - 1 of block i.
///
/// ```
/// let mut y = [0; 6];
/// eras_kernels::random::fill(&mut y, |i| [i as u32; 4], |[a, b, ..]| [a, 10 + b]);
/// assert_eq!(y, [0, 10, 1, 11, 2, 12]);
/// ```
pub fn fill<T: Copy + Default + Send, const N: usize>(
    y: &mut [T],
    block: impl Fn(u64) -> [u32; 4] + Copy + Sync,
    draw: impl Fn([u32; 4]) -> [T; N] + Copy + Sync,
) {
    /// Of each chunk; whole groups.
    const CHUNK_BLOCKS: usize = 64 * BLOCKS;
    team::chunks_mut(y, N * CHUNK_BLOCKS, |chunk, y| {
        vectorize(
            #[inline(always)]
            || {
                for (group, y) in y.chunks_mut(N * BLOCKS).enumerate() {
                    let first = (chunk * CHUNK_BLOCKS + group * BLOCKS) as u64;
                    let mut words = [[0; 4]; BLOCKS];
                    for (i, words) in words.iter_mut().enumerate() {
                        *words = block(first + i as u64);
                    }
                    let numbers = words.map(draw);
                    y.copy_from_slice(&numbers.as_flattened()[..y.len()]);
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_that_of_its_block_whatever_the_length() {
        for n in [0, 1, 3, 127, 128, 129, 8192, 20_001] {
            let mut y = vec![0u32; n];
            fill(
                &mut y,
                |i| [i as u32, 1, 2, 3],
                |[a, b, c, d]| [a, a + b, a + c, a + d],
            );
            let wanted = (0..n).map(|i| (i / 4 + i % 4) as u32);
            assert!(y.iter().copied().eq(wanted), "{n}");
        }
    }
}
