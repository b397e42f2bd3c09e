//! That the runner does what it says.

use crate::runner::protobuf::{Field, put_together, take_apart};
use crate::runner::random::Random;
use crate::runner::{input, protobuf};

fn corpus() -> Vec<Vec<u8>> {
    let inner = put_together(&[field(2, b"deep"), field(2, b"deeper")]);
    vec![
        put_together(&[field(1, &inner), field(3, b"text")]),
        b"no message".to_vec(),
    ]
}

fn field(number: u64, content: &[u8]) -> Field {
    let content = content.to_vec();
    Field {
        tag: number << 3 | 2,
        content,
    }
}

#[test]
fn a_seed_decides_the_inputs() {
    let inputs = |seed, name| -> Vec<_> {
        (0..200)
            .map(|number| input(seed, name, number, &corpus()))
            .collect()
    };
    assert_eq!(inputs(1, "a"), inputs(1, "a"));
    assert_ne!(inputs(1, "a"), inputs(2, "a"));
    assert_ne!(inputs(1, "a"), inputs(1, "b"));
    assert!(inputs(1, "a").contains(&corpus()[0]));
}

#[test]
fn messages_are_put_together_as_they_were() {
    let message = &corpus()[0];
    assert_eq!(put_together(&take_apart(message).unwrap()), *message);
    assert_eq!(take_apart(b"no message"), None);
}

#[test]
fn a_change_deep_inside_leaves_the_lengths_around_it_right() {
    let message = &corpus()[0];
    let (mut deep, mut drawn) = (0, 0);
    for seed in 0..500 {
        let changed = protobuf::change(message, message, &mut Random::new(seed)).unwrap();
        let Some(fields) = take_apart(&changed) else {
            continue;
        };
        drawn += 1;
        let inner = fields.first().and_then(|first| take_apart(&first.content));
        let whole = fields.len() == 2 && fields[1] == field(3, b"text");
        deep += usize::from(whole && inner.is_some_and(|inner| inner.len() != 2));
    }
    // Most stay messages, and a part of them has another number of fields two levels down.
    assert!(drawn > 350 && deep > 30, "{drawn} {deep}");
}
