//! Batches, epoch by epoch.

use std::ops::Range;
use std::panic;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use eras_tensor::{Error, Result, Rng};

use crate::{Batch, Dataset};

/// The random stream of a seed that orders are drawn from.
const STREAM: u64 = 1;
/// Batches that each worker is asked for ahead of need.
const AHEAD: usize = 2;
/// The most workers where nobody says how many: reading scales badly beyond.
const MAX_WORKERS: usize = 8;

/// Goes through a data set in batches. It stands at a place (epoch, batch), and iterating goes from there to the end
/// of the epoch:
///
/// ```
/// use eras_data::{Loader, TensorDataset};
/// use eras_tensor::Tensor;
///
/// let data = TensorDataset::new(Tensor::zeros([10, 3]), Tensor::zeros([10, 1]))?;
/// let mut loader = Loader::new(&data, 4).shuffle(0);
/// for epoch in 0..2 {
///     assert_eq!(loader.position().epoch, epoch);
///     for batch in &mut loader {
///         assert_eq!(batch.x.shape()[1], 3);
///     }
/// }
/// # Ok::<(), eras_tensor::Error>(())
/// ```
///
/// The order is a function of seed and epoch alone (stream 1 of the seed, from block epoch · 2³² on). Samples of different
/// [lengths](Dataset::lengths) are put together by their length, in another selection each epoch where they are shuffled, and
/// so are the batches then; the batch size is of lengths then, not of samples: a batch has as many samples as, each filled up
/// to the longest, are together at most as long. So each epoch has as many batches, whose lengths are the same. Sets that are
/// slow to read ([`Dataset::background`]) are read ahead by threads, which changes neither order nor contents.
pub struct Loader<'a> {
    data: Box<dyn Dataset + 'a>,
    batch_size: usize,
    seed: Option<u64>,
    drop_last: bool,
    most: usize,
    workers: Option<usize>,
    at: Position,
    /// Where samples differ in length.
    by_length: Option<ByLength>,
    order: Option<Order>,
    pool: Option<Pool>,
}

/// Samples of different lengths.
struct ByLength {
    /// Of each.
    lengths: Vec<u32>,
    /// Where batches end among the samples, the shortest first.
    ends: Vec<usize>,
}

/// The order of an epoch.
struct Order {
    epoch: u64,
    samples: Vec<usize>,
    /// Of these.
    batches: Vec<Range<usize>>,
}

/// Where a [`Loader`] stands: what to save in order to go on there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// The epoch, from 0.
    pub epoch: u64,
    /// The next batch in it, from 0.
    pub batch: usize,
}

impl<'a> Loader<'a> {
    /// Batches of `batch_size` samples in the order of `data`, the last one smaller if need be. (Of samples of different
    /// lengths see above.)
    ///
    /// # Panics
    /// If `data` is empty or `batch_size` is 0.
    #[track_caller]
    pub fn new(data: impl Dataset + 'a, batch_size: usize) -> Self {
        assert!(
            batch_size > 0,
            "Loader: found batch size 0, wanted at least 1"
        );
        assert!(!data.is_empty(), "Loader: the data set is empty");
        Self {
            by_length: data.lengths().map(|all| ByLength::new(all, batch_size)),
            data: Box::new(data),
            batch_size,
            seed: None,
            drop_last: false,
            most: usize::MAX,
            workers: None,
            at: Position::default(),
            order: None,
            pool: None,
        }
    }

    /// Takes the samples in another random order each epoch.
    #[must_use]
    pub fn shuffle(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        (self.order, self.pool) = (None, None);
        self
    }

    /// Leaves out the last batch where it would be smaller; of samples of different lengths none is left out.
    ///
    /// # Panics
    /// If no batch remains.
    #[must_use]
    #[track_caller]
    pub fn drop_last(mut self) -> Self {
        let (len, size) = (self.data.len(), self.batch_size);
        assert!(
            len >= size || self.by_length.is_some(),
            "Loader: dropping the last batch of {size} leaves none of a set of {len}"
        );
        self.drop_last = true;
        self
    }

    /// Ends an epoch after `most` batches: of a set too large to be gone through, each epoch sees another part, where it is
    /// [shuffled](Self::shuffle).
    ///
    /// ```
    /// use eras_data::{Loader, TensorDataset};
    /// use eras_tensor::Tensor;
    ///
    /// let data = TensorDataset::new(Tensor::zeros([1000, 3]), Tensor::zeros([1000, 1]))?;
    /// assert_eq!(Loader::new(&data, 10).shuffle(0).at_most(7).count(), 7);
    /// # Ok::<(), eras_tensor::Error>(())
    /// ```
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn at_most(mut self, most: usize) -> Self {
        assert!(
            most > 0,
            "Loader: found 0 batches in an epoch, wanted at least 1"
        );
        self.most = most;
        self.pool = None;
        self
    }

    /// Prepares batches by `count` threads where the data set allows it; 0 means none. The default is one a
    /// processor, up to eight.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = Some(count);
        self.pool = None;
        self
    }

    /// The number of batches in an epoch.
    #[must_use]
    pub fn batches(&self) -> usize {
        let (len, size) = (self.data.len(), self.batch_size);
        let all = match &self.by_length {
            Some(by_length) => by_length.ends.len(),
            None if self.drop_last => len / size,
            None => len.div_ceil(size),
        };
        all.min(self.most)
    }

    /// The number of samples in a batch that is full; of different lengths, in the mean.
    #[must_use]
    pub fn samples_per_batch(&self) -> usize {
        match &self.by_length {
            Some(by_length) => self.data.len().div_ceil(by_length.ends.len()),
            None => self.data.len().min(self.batch_size),
        }
    }

    /// The number of samples in an epoch; of different lengths, in the mean.
    #[must_use]
    pub fn samples(&self) -> usize {
        if let Some(by_length) = &self.by_length {
            return self.data.len() * self.batches() / by_length.ends.len();
        }
        let whole = self.batches().saturating_mul(self.batch_size);
        self.data.len().min(whole)
    }

    /// The data set.
    #[must_use]
    pub fn data(&self) -> &dyn Dataset {
        &*self.data
    }

    /// Where this stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.at
    }

    /// Goes to `position`, as [`position`](Self::position) gave it for a loader with the same set, seed and batch
    /// size.
    ///
    /// # Errors
    /// If an epoch has fewer batches.
    pub fn seek(&mut self, position: Position) -> Result<()> {
        let batches = self.batches();
        if position.batch > batches {
            let found = position.batch;
            return Err(Error::new(format!(
                "found a position at batch {found}, but an epoch has only {batches}"
            )));
        }
        self.pool = None;
        self.at = position;
        Ok(())
    }

    /// The next batch of this epoch; `None` at its end, which is the beginning of the next. A batch of which the data
    /// set could read nothing is passed over.
    ///
    /// # Errors
    /// If the samples cannot be read. The position stays, so that calling again tries again.
    ///
    /// # Panics
    /// If the data set does; calling again tries again.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        loop {
            let batch = self.batch_here()?;
            let is_empty = |batch: &Batch| batch.x.shape().first() == Some(&0);
            if !batch.as_ref().is_some_and(is_empty) {
                return Ok(batch);
            }
        }
    }

    /// The batch at the position, which moves on.
    fn batch_here(&mut self) -> Result<Option<Batch>> {
        let batches = self.batches();
        if self.at.batch >= batches {
            self.at = Position {
                epoch: self.at.epoch + 1,
                batch: 0,
            };
            return Ok(None);
        }
        if self
            .order
            .as_ref()
            .is_none_or(|order| order.epoch != self.at.epoch)
        {
            self.order = Some(self.new_order());
            if let Some(pool) = &mut self.pool {
                pool.asked = self.at.batch;
            }
        }
        if self.pool.is_none() {
            self.pool = self.new_pool();
        }
        let order = self.order.as_ref();
        let indices = |batch: usize| {
            order.map_or(&[][..], |order| {
                &order.samples[order.batches[batch].clone()]
            })
        };
        // Taken, not borrowed: after an error or a panic what was asked for ahead is no longer in step.
        let batch = match self.pool.take() {
            None => self.data.batch(indices(self.at.batch))?,
            Some(mut pool) => {
                let batch = pool.batch(self.at.batch, batches, indices)?;
                self.pool = Some(pool);
                batch
            }
        };
        self.at.batch += 1;
        Ok(Some(batch))
    }

    fn new_order(&self) -> Order {
        let epoch = self.at.epoch;
        let mut rng = self.seed.map(|seed| Rng::at(seed, STREAM, epoch << 32));
        let mut samples: Vec<usize> = (0..self.data.len()).collect();
        if let Some(rng) = &mut rng {
            rng.shuffle(&mut samples);
        }
        let mut batches: Vec<Range<usize>>;
        if let Some(ByLength { lengths, ends }) = &self.by_length {
            samples.sort_by_key(|&i| lengths[i]); // of one length they stay as they are
            let starts = [0].iter().chain(ends);
            batches = starts.zip(ends).map(|(&start, &end)| start..end).collect();
            if let Some(rng) = &mut rng {
                rng.shuffle(&mut batches);
            }
        } else {
            let starts = (0..samples.len()).step_by(self.batch_size);
            let end = |start: usize| samples.len().min(start.saturating_add(self.batch_size));
            batches = starts.map(|start| start..end(start)).collect();
        }
        Order {
            epoch,
            samples,
            batches,
        }
    }

    fn new_pool(&self) -> Option<Pool> {
        let processors = || {
            thread::available_parallelism()
                .map_or(1, usize::from)
                .min(MAX_WORKERS)
        };
        let count = self.workers.unwrap_or_else(processors);
        if count == 0 {
            return None;
        }
        let data = self.data.background()?;
        let workers = (0..count).map(|_| Worker::start(data.clone())).collect();
        Some(Pool {
            workers,
            asked: self.at.batch,
        })
    }
}

impl ByLength {
    fn new(lengths: Vec<u32>, batch_size: usize) -> Self {
        let mut sorted = lengths.clone();
        sorted.sort_unstable();
        let (mut ends, mut start) = (Vec::new(), 0);
        for (i, &length) in sorted.iter().enumerate() {
            if i > start && (i + 1 - start).saturating_mul(length as usize) > batch_size {
                ends.push(i);
                start = i;
            }
        }
        ends.push(sorted.len());
        Self { lengths, ends }
    }
}

/// Batches to the end of the epoch.
///
/// # Panics
/// If samples cannot be read; [`Loader::next_batch`] returns that error instead.
impl Iterator for Loader<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        self.next_batch()
            .unwrap_or_else(|e| panic!("Loader: {e:?}"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.batches() - self.at.batch))
    }
}

impl std::fmt::Debug for Loader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("samples", &self.data.len())
            .field("batch_size", &self.batch_size)
            .field("seed", &self.seed)
            .field("position", &self.at)
            .finish_non_exhaustive()
    }
}

/// Threads that prepare batches. Batch `i` is made by worker `i` modulo their number, and each hands over in the
/// order it was asked: so no order can be lost.
struct Pool {
    workers: Vec<Worker>,
    /// The first batch that no worker was asked for yet.
    asked: usize,
}

impl Pool {
    /// Batch `batch` of `batches`, each a selection of indices.
    fn batch<'i>(
        &mut self,
        batch: usize,
        batches: usize,
        indices: impl Fn(usize) -> &'i [usize],
    ) -> Result<Batch> {
        let count = self.workers.len();
        while self.asked < batches.min(batch + AHEAD * count) {
            self.workers[self.asked % count].ask(indices(self.asked));
            self.asked += 1;
        }
        self.workers[batch % count].receive()
    }
}

/// A thread with its letter boxes; it ends when they are gone.
struct Worker {
    jobs: Option<Sender<Vec<usize>>>,
    batches: Option<Receiver<Result<Batch>>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start(data: Arc<dyn Dataset>) -> Self {
        let (jobs, inbox) = channel::<Vec<usize>>();
        let (outbox, batches) = channel();
        let work = move || {
            for indices in inbox {
                if outbox.send(data.batch(&indices)).is_err() {
                    break;
                }
            }
        };
        Self {
            jobs: Some(jobs),
            batches: Some(batches),
            thread: Some(thread::spawn(work)),
        }
    }

    fn ask(&self, indices: &[usize]) {
        if let Some(jobs) = &self.jobs {
            // Fails if the worker panicked, which `receive` will tell.
            let _ = jobs.send(indices.to_vec());
        }
    }

    /// The next batch; a panic of the worker goes on here.
    fn receive(&mut self) -> Result<Batch> {
        if let Some(Ok(batch)) = self.batches.as_ref().map(Receiver::recv) {
            return batch;
        }
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(payload)) => panic::resume_unwind(payload),
            _ => Err(Error::new("a thread that prepares batches has ended")),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both boxes first: a worker that waits or hands over then ends, at the latest after its batch.
        (self.jobs, self.batches) = (None, None);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
