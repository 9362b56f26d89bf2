//! `#[derive(Module)]` on every kind of struct.

use eras::nn::{Buffer, Param};
use eras::prelude::*;

fn names(model: &dyn Module) -> Vec<String> {
    model.state().into_iter().map(|(name, _)| name).collect()
}

fn param() -> Param {
    Param::new(&Tensor::ones([2]))
}

#[derive(Module)]
struct Named<L, const N: usize> {
    first: L,
    r#type: Param,
    layers: [Linear; N],
    maybe: Option<Param>,
    list: Vec<(Param, Buffer)>,
    rate: f64,
    title: String,
    #[module(skip)]
    _note: std::cell::Cell<u8>,
}

#[derive(Module)]
struct Tuple(
    Param,
    #[module(skip)]
    #[expect(dead_code, reason = "a skipped field")]
    [u16; 3],
    Box<dyn Module>,
);

#[derive(Module)]
struct Empty;

#[test]
fn fields_are_visited_in_order_under_their_names() {
    let rng = &mut Rng::new(0);
    let mut model = Named {
        first: Linear::no_bias(1, 1, rng),
        r#type: param(),
        layers: [Linear::no_bias(1, 1, rng), Linear::new(1, 1, rng)],
        maybe: None,
        list: vec![(param(), Buffer::new(&Tensor::zeros([3])))],
        rate: 0.5,
        title: "a model".to_owned(),
        _note: std::cell::Cell::new(0),
    };
    let wanted = [
        "first.weight",
        "type",
        "layers.0.weight",
        "layers.1.weight",
        "layers.1.bias",
        "list.0.0",
        "list.0.1",
    ];
    assert_eq!(names(&model), wanted);
    model.maybe = Some(param());
    assert_eq!(names(&model)[5], "maybe");
    assert_eq!((model.rate, model.title.as_str()), (0.5, "a model"));

    // Both walks see the same, in the same order.
    let mut seen = Vec::new();
    model.for_each_param_mut(&mut |name, _| seen.push(name.to_owned()));
    let params: Vec<String> = model
        .named_params()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(seen, params);
}

#[test]
fn tuple_structs_go_by_number_and_skipped_fields_keep_theirs() {
    let model = Tuple(param(), [0; 3], Box::new(vec![param(), param()]));
    assert_eq!(names(&model), ["0", "2.0", "2.1"]);
}

#[test]
fn a_unit_struct_holds_nothing() {
    assert!(names(&Empty).is_empty());
}

#[test]
fn a_generic_model_is_visited_through_its_parts() {
    #[derive(Module)]
    struct Residual<M> {
        body: M,
    }
    let inner = Residual { body: param() };
    assert_eq!(names(&Residual { body: inner }), ["body.body"]);
}
