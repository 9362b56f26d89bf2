use eras_kernels::attention::*;
use eras_kernels::buffer::Buffer;
use eras_kernels::elementwise::View;
use std::time::Instant;
fn main() {
    let a: Vec<usize> = std::env::args()
        .skip(1)
        .map(|x| x.parse().unwrap())
        .collect();
    let [b, h, t, d, causal, packed, reps] = a[..] else {
        panic!()
    };
    let shape = Shape {
        batch: b,
        heads: h,
        groups: h,
        queries: t,
        keys: t,
        width: d,
        value_width: d,
    };
    let n = b * h * t * d;
    let mut x = Buffer::new(12 * n);
    x.slice_mut::<f32>()
        .iter_mut()
        .enumerate()
        .for_each(|(i, x)| *x = (i * 7919 % 2003) as f32 / 1000.0 - 1.0);
    let x = x.slice::<f32>();
    let mut z = Buffer::zeroed(4 * n);
    z.slice_mut::<f32>().copy_from_slice(&x[..n]);
    let s = if packed == 1 {
        [t * 3 * h * d, d, 3 * h * d, 1]
    } else {
        [h * t * d, t * d, d, 1]
    };
    let off = if packed == 1 { h * d } else { n };
    let v = |i: usize| View {
        data: &x[..],
        offset: i * off,
        strides: &s,
    };
    let inputs = Inputs {
        q: v(0),
        k: v(1),
        v: v(2),
    };
    let scores = Scores {
        scale: 1.0 / (d as f64).sqrt(),
        causal: causal == 1,
        window: None,
        lengths: None,
        mask: None,
        bias: None,
        slopes: None,
        dropout: None,
    };
    let (mut y, mut kept) = (Buffer::zeroed(4 * n), vec![0f32; b * h * t]);
    let y = y.slice_mut::<f32>();
    let mut dx = Buffer::zeroed(12 * n);
    let dx = dx.slice_mut::<f32>();
    let sy = [t * h * d, d, h * d, 1];
    let pairs = scores.pairs(&shape) as f64;
    let (mut f, mut g) = (f64::MAX, f64::MAX);
    for _ in 0..reps {
        let s = Instant::now();
        forward(y, &mut kept, shape, &inputs, &scores);
        f = f.min(s.elapsed().as_secs_f64());
        let s = Instant::now();
        if std::env::var("FWD").is_ok() {
            continue;
        }
        let r = Results {
            y: y,
            kept: &kept,
            dy: View {
                data: z.slice(),
                offset: 0,
                strides: &sy,
            },
        };
        backward_packed(dx, shape, &inputs, &r, &scores);
        g = g.min(s.elapsed().as_secs_f64());
    }
    let (wf, wb) = (pairs * 4.0 * d as f64, pairs * 10.0 * d as f64);
    println!(
        "{a:?} forward {:.3} ms {:.1} GF/s   backward {:.3} ms {:.1} GF/s",
        f * 1e3,
        wf / f / 1e9,
        g * 1e3,
        wb / g / 1e9
    );
}
