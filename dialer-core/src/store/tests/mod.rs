//! What every store does. Each test runs over the model in memory and, with the feature `store`, over SQLite.

mod agreement;
mod claims;
mod disk;
mod endings;
mod imports;
mod inbound;
mod recovery;
#[cfg(feature = "store")]
mod sqlite;
mod writes;

/// Runs each named function over both stores.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(
                #[test]
                fn $name() {
                    super::$name(&mut crate::store::memory::Memory::new());
                }
            )+
        }

        #[cfg(feature = "store")]
        mod sqlite {
            $(
                #[test]
                fn $name() {
                    super::$name(&mut crate::store::tests::disk::OnDisk::new());
                }
            )+
        }
    };
}
use on_both;
