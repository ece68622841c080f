//! [`Flag`] and [`DisableFlag`]: switches.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{
    editor_only::{EditorOnly, editor_only},
    multi_register::{MultiRegister, MultiRegisterUpdate},
};
use crate::{
    changes::{Changes, ValueChanges},
    dots::Dots,
    edit::{Edit, Editor, Inverse, Place, Rollback},
    reduce::Reduce,
    reset::{Reset, ResetDetail},
    stamp::{Dot, Stamp},
};

macro_rules! flag {
    ($(#[$doc:meta])* $Flag:ident, $value:expr) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $Flag(MultiRegister<bool>);

        impl $Flag {
            /// Whether it is on.
            ///
            /// ```
            #[doc = concat!("use repred::{", stringify!($Flag), ", Replica};")]
            ///
            #[doc = concat!("let switch = Replica::new(", stringify!($Flag), "::default());")]
            /// switch.edit(|switch| switch.set(true))?;
            /// assert!(switch.read(|switch| switch.value())?);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn value(&self) -> bool {
                let value: fn(&MultiRegister<bool>) -> bool = $value;
                value(&self.0)
            }

            /// The update that switches it on or off. In an edit, [`set`](Editor::set) writes it.
            ///
            /// ```
            #[doc = concat!("use repred::{", stringify!($Flag), ", Replica};")]
            ///
            #[doc = concat!("let switch = Replica::new(", stringify!($Flag), "::default());")]
            /// let on = switch.read(|switch| switch.write(true))?;
            /// switch.update(on)?;
            /// assert!(switch.read(|switch| switch.value())?);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn write(&self, value: bool) -> MultiRegisterUpdate<bool> {
                self.0.write(value)
            }

            editor_only!(enable(), disable(), set(A));
        }

        /// Whether it is on.
        impl fmt::Debug for $Flag {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.value().fmt(f)
            }
        }

        impl Reduce for $Flag {
            type Update = MultiRegisterUpdate<bool>;
            type Changes = ValueChanges<bool>;

            fn reduce(&mut self, update: Self::Update, stamp: Stamp) -> Self::Changes {
                let before = self.value();
                let changes = self.0.reduce(update, stamp);
                let mut superseded = Vec::new();
                changes.superseded(&mut |dot| superseded.push(dot));
                ValueChanges::changed(before, self.value(), superseded)
            }
        }

        impl Reset for $Flag {
            fn seen(&self, see: &mut dyn FnMut(Dot)) {
                self.0.seen(see);
            }

            fn reset(
                &mut self,
                seen: &Dots,
                detail: &ResetDetail,
                superseded: &mut dyn FnMut(Dot),
            ) -> bool {
                self.0.reset(seen, detail, superseded)
            }

            fn is_present(&self) -> bool {
                self.0.is_present()
            }

            fn is_default(&self) -> bool {
                self.0.is_default()
            }
        }

        impl Edit for $Flag {
            type Editor<P: Place<Self>> = Editor<Self, P>;

            fn rollback(&self, _update: &Self::Update, _stamp: Stamp) -> Rollback<Self> {
                let before = self.clone();
                Box::new(|flag| *flag = before)
            }

            fn inverse(&self, _update: &Self::Update, _stamp: Stamp) -> Option<Inverse<Self>> {
                let before = self.value();
                // If somebody else has switched it since then, that stands.
                Some(Box::new(move |flag, is_ours| {
                    match flag.0.stamps().any(|stamp| is_ours(stamp.dot)) {
                        true => vec![flag.write(before)],
                        false => vec![],
                    }
                }))
            }

            fn rebuild(&self) -> Option<Vec<Self::Update>> {
                Some(self.0.value().map(|_| Self::default().write(self.value())).into_iter().collect())
            }
        }

        impl<P: Place<$Flag>> Editor<$Flag, P> {
            /// Switches it on.
            ///
            /// ```
            #[doc = concat!("use repred::{", stringify!($Flag), ", Replica};")]
            ///
            #[doc = concat!("let switch = Replica::new(", stringify!($Flag), "::default());")]
            /// switch.edit(|switch| switch.enable())?;
            /// assert_eq!(switch.read(|switch| switch.value())?, true);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn enable(&mut self) {
                self.set(true);
            }

            /// Switches it off.
            ///
            /// ```
            #[doc = concat!("use repred::{", stringify!($Flag), ", Replica};")]
            ///
            #[doc = concat!("let switch = Replica::new(", stringify!($Flag), "::default());")]
            /// switch.edit(|switch| switch.disable())?;
            /// assert_eq!(switch.read(|switch| switch.value())?, false);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn disable(&mut self) {
                self.set(false);
            }

            /// Switches it on or off.
            ///
            /// ```
            #[doc = concat!("use repred::{", stringify!($Flag), ", Replica};")]
            ///
            #[doc = concat!("let switch = Replica::new(", stringify!($Flag), "::default());")]
            /// switch.edit(|switch| {
            ///     let before = switch.value();
            ///     switch.set(!before);
            ///     assert_eq!(switch.value(), !before);
            /// })?;
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn set(&mut self, value: bool) {
                let update = self.0.write_by(Some(self.origin()), value);
                self.update(update);
            }
        }
    };
}

flag! {
    /// A switch that is on if one has switched it on while another one has switched it off.
    ///
    /// | meanwhile, elsewhere | outcome |
    /// |---|---|
    /// | one enables it, another one disables it | on |
    /// | then one who sees that disables it | off |
    /// | one removes it from a [`Map`](crate::Map), another one enables it | on |
    ///
    /// It begins switched off. It is a [`MultiRegister`] of `bool`, and costs what one does. (In the literature: an
    /// enable-wins flag.) If off should win, use a [`DisableFlag`].
    ///
    /// ```
    /// use repred::{Flag, Replica};
    ///
    /// let is_done = Replica::new(Flag::default());
    /// is_done.edit(|done| done.enable())?;
    /// assert!(is_done.read(|done| done.value())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "ew-flag")]
    #[doc(alias = "enable-wins")]
    #[doc(alias = "bool")]
    Flag, |writes| writes.values().any(|value| *value)
}

flag! {
    /// A switch that is off if one has switched it off while another one has switched it on.
    ///
    /// | meanwhile, elsewhere | outcome |
    /// |---|---|
    /// | one enables it, another one disables it | off |
    /// | then one who sees that enables it | on |
    /// | one removes it from a [`Map`](crate::Map), another one disables it | off |
    ///
    /// It begins switched on. It is a [`MultiRegister`] of `bool`, and costs what one does. (In the literature: a
    /// disable-wins flag.) If on should win, use a [`Flag`].
    ///
    /// ```
    /// use repred::{DisableFlag, Replica};
    ///
    /// let is_allowed = Replica::new(DisableFlag::default());
    /// assert!(is_allowed.read(|allowed| allowed.value())?);
    /// is_allowed.edit(|allowed| allowed.disable())?;
    /// assert!(!is_allowed.read(|allowed| allowed.value())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "dw-flag")]
    #[doc(alias = "disable-wins")]
    #[doc(alias = "bool")]
    DisableFlag, |writes| writes.values().all(|value| *value)
}
