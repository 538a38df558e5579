//! What an epoll event is about, packed into the 64 bits that epoll carries: 8 bits of kind, then
//! 24 of generation and 32 of index. The generation tells a connection from the one before it that
//! had the same index.

const GENERATION_BITS: u32 = 24;

/// One watched descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// The TCP listener of this index.
    Listener(u32),
    /// A TCP connection.
    Connection {
        /// Its place in the table.
        index: u32,
        /// Which one at that place; modulo 2^24.
        generation: u32,
    },
    /// Another thread has something for us.
    Waker,
    /// A ring of the executor has completions.
    Ring,
}

impl Token {
    /// The bits for epoll.
    pub fn encode(self) -> u64 {
        let (kind, generation, index) = match self {
            Token::Listener(index) => (1, 0, index),
            Token::Connection { index, generation } => (2, generation, index),
            Token::Waker => (3, 0, 0),
            Token::Ring => (4, 0, 0),
        };
        let generation = u64::from(generation) & ((1 << GENERATION_BITS) - 1);
        (kind << 56) | (generation << 32) | u64::from(index)
    }

    /// What `bits`, made by [`Token::encode`], stand for.
    pub fn decode(bits: u64) -> Token {
        let index = bits as u32;
        let generation = (bits >> 32) as u32 & ((1 << GENERATION_BITS) - 1);
        match bits >> 56 {
            1 => Token::Listener(index),
            2 => Token::Connection { index, generation },
            3 => Token::Waker,
            _ => Token::Ring,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decode_undoes_encode() {
        let generation = (1 << GENERATION_BITS) - 1;
        for token in [
            Token::Listener(u32::MAX),
            Token::Connection {
                index: u32::MAX,
                generation,
            },
            Token::Connection {
                index: 0,
                generation: 0,
            },
            Token::Waker,
            Token::Ring,
        ] {
            assert_eq!(Token::decode(token.encode()), token);
        }
    }

    #[test]
    fn generations_wrap() {
        let wrapped = Token::Connection {
            index: 7,
            generation: 1 << GENERATION_BITS,
        };
        assert_eq!(
            Token::decode(wrapped.encode()),
            Token::Connection {
                index: 7,
                generation: 0
            }
        );
    }
}
