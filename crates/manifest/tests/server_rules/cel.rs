//! As much of the Common Expression Language as the rules of the definition use. What they use beyond
//! it is an error, so that a test fails instead of agreeing by chance.

use serde_json::Value;

/// What an expression is made of.
#[derive(Debug)]
enum Term {
    Literal(Value),
    Name(String),
    Field(Box<Term>, String),
    List(Vec<Term>),
    Not(Box<Term>),
    Binary(&'static str, Box<Term>, Box<Term>),
    Choice(Box<Term>, Box<Term>, Box<Term>),
    /// A function's name and arguments; of a method, what it is called on is the first of them.
    Call(String, Vec<Term>),
}

/// Whether the rule holds for `this`. As in the API server, what cannot be computed is an error.
pub(crate) fn holds(rule: &str, this: &Value) -> Result<bool, String> {
    let mut parser = Parser { rest: rule };
    let term = parser.choice()?;
    if !parser.rest.trim().is_empty() {
        return Err(format!("not understood: {}", parser.rest));
    }
    truth(&value(&term, this)?)
}

fn truth(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("{value} is neither true nor false"))
}

fn value(term: &Term, this: &Value) -> Result<Value, String> {
    let text = |term| match value(term, this)? {
        Value::String(text) => Ok(text),
        other => Err(format!("{other} is no text")),
    };
    Ok(match term {
        Term::Literal(literal) => literal.clone(),
        Term::Name(name) if name == "self" => this.clone(),
        Term::Name(name) => return Err(format!("there is no {name}")),
        Term::Field(of, name) => {
            let of = value(of, this)?;
            of.get(name).cloned().ok_or_else(|| format!("{of} has no {name}"))?
        }
        Term::List(all) => all.iter().map(|one| value(one, this)).collect::<Result<_, _>>()?,
        Term::Not(of) => Value::Bool(!truth(&value(of, this)?)?),
        Term::Choice(asked, yes, no) => {
            value(if truth(&value(asked, this)?)? { yes } else { no }, this)?
        }
        // Whichever side decides by itself: the other may then be an error.
        Term::Binary(sign @ ("&&" | "||"), left, right) => {
            let decides = *sign == "||";
            let side = |term| value(term, this).and_then(|value| truth(&value));
            let (left, right) = (side(left), side(right));
            if left == Ok(decides) || right == Ok(decides) {
                decides.into()
            } else {
                (left? && right?).into()
            }
        }
        Term::Binary("in", one, all) => {
            let one = value(one, this)?;
            match value(all, this)? {
                Value::Array(all) => all.contains(&one).into(),
                Value::Object(all) => one.as_str().is_some_and(|key| all.contains_key(key)).into(),
                other => return Err(format!("nothing is in {other}")),
            }
        }
        Term::Binary("+", left, right) => (text(left)? + &text(right)?).into(),
        Term::Binary(sign, left, right) => {
            let (left, right) = (value(left, this)?, value(right, this)?);
            let numbers = || left.as_i64().zip(right.as_i64()).ok_or("no numbers");
            match *sign {
                "==" => left == right,
                "!=" => left != right,
                "<=" => numbers().map(|(left, right)| left <= right)?,
                ">" => numbers().map(|(left, right)| left > right)?,
                other => return Err(format!("{other} is not known here")),
            }
            .into()
        }
        Term::Call(name, arguments) => match (name.as_str(), arguments.as_slice()) {
            ("has", [Term::Field(of, name)]) => value(of, this)?.get(name).is_some().into(),
            ("size", [of]) => match value(of, this)? {
                Value::Array(all) => all.len().into(),
                other => return Err(format!("{other} has no size")),
            },
            ("startsWith", [of, with]) => text(of)?.starts_with(&text(with)?).into(),
            ("endsWith", [of, with]) => text(of)?.ends_with(&text(with)?).into(),
            _ => return Err(format!("{name} is not known here")),
        },
    })
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    /// Takes one of the signs. `in` is one only as a whole word.
    fn sign(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        self.rest = self.rest.trim_start();
        let found = signs.iter().find(|sign| self.rest.starts_with(**sign))?;
        let behind = &self.rest[found.len()..];
        if found.ends_with(char::is_alphabetic) && behind.starts_with(char::is_alphanumeric) {
            return None;
        }
        self.rest = behind;
        Some(found)
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), String> {
        self.sign(&[sign]).map(drop).ok_or_else(|| format!("no {sign} before {:?}", self.rest))
    }

    fn choice(&mut self) -> Result<Term, String> {
        let asked = self.binary(0)?;
        if self.sign(&["?"]).is_none() {
            return Ok(asked);
        }
        let yes = self.choice()?;
        self.expect(":")?;
        Ok(Term::Choice(Box::new(asked), Box::new(yes), Box::new(self.choice()?)))
    }

    /// What binds least comes first.
    fn binary(&mut self, level: usize) -> Result<Term, String> {
        const LEVELS: [&[&str]; 4] = [&["||"], &["&&"], &["==", "!=", "<=", ">", "in"], &["+"]];
        let Some(signs) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(sign) = self.sign(signs) {
            left = Term::Binary(sign, Box::new(left), Box::new(self.binary(level + 1)?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Term, String> {
        if self.sign(&["!"]).is_some() {
            return Ok(Term::Not(Box::new(self.unary()?)));
        }
        let mut term = self.primary()?;
        while self.sign(&["."]).is_some() {
            let name = self.word();
            term = if self.sign(&["("]).is_some() {
                let arguments = [term].into_iter().chain(self.list(")")?).collect();
                Term::Call(name, arguments)
            } else {
                Term::Field(Box::new(term), name)
            };
        }
        Ok(term)
    }

    fn primary(&mut self) -> Result<Term, String> {
        if self.sign(&["("]).is_some() {
            let inner = self.choice()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.sign(&["["]).is_some() {
            return Ok(Term::List(self.list("]")?));
        }
        if self.sign(&["'"]).is_some() {
            let (text, rest) = self.rest.split_once('\'').ok_or("a text does not end")?;
            self.rest = rest;
            return Ok(Term::Literal(text.into()));
        }
        let word = self.word();
        if let Ok(number) = word.parse::<i64>() {
            return Ok(Term::Literal(number.into()));
        }
        if word.is_empty() {
            return Err(format!("nothing to begin with in {:?}", self.rest));
        }
        if self.sign(&["("]).is_some() {
            return Ok(Term::Call(word, self.list(")")?));
        }
        Ok(Term::Name(word))
    }

    fn list(&mut self, end: &'static str) -> Result<Vec<Term>, String> {
        let mut all = Vec::new();
        while self.sign(&[end]).is_none() {
            if !all.is_empty() {
                self.expect(",")?;
            }
            all.push(self.choice()?);
        }
        Ok(all)
    }

    fn word(&mut self) -> String {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }
}

#[test]
fn it_computes_as_the_api_server_does() {
    let this = serde_json::json!({"a": 2, "b": ["x"], "c": {"d": "text"}});
    for rule in [
        "has(self.a) && !has(self.c.e)",
        "self.a <= 2 && 3 > self.a && self.a == 2 && self.a != 1",
        "has(self.e) ? self.e : self.a == 2",
        "'x' in self.b && !('y' in self.b) && 'd' in self.c && self.c.d in ['text', 'x']",
        "size(self.b) == 1 && self.c.d.startsWith('te') && self.c.d.endsWith('x' + 't')",
        // An error counts only when the other side does not decide.
        "self.e || self.a == 2 || self.e",
        "!(self.e && self.a == 1)",
    ] {
        assert_eq!(holds(rule, &this), Ok(true), "{rule}");
    }
    for rule in ["self.e", "self.a", "self.a ==", "self.a == 2 2", "size(self.a) > 0"] {
        assert!(holds(rule, &this).is_err(), "{rule}");
    }
}
