//! Extension tables: what came after a major was frozen, found by name and checked one by one.

use std::marker::PhantomData;

use abi_stable::StableAbi;
use abi_stable::abi_stability::abi_checking::check_layout_compatibility;
use abi_stable::prefix_type::{PrefixRef, PrefixRefTrait};
use abi_stable::type_layout::TypeLayout;

/// An instance as extension functions take it.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy)]
pub struct Instance<'a> {
    pointer: *const (),
    lifetime: PhantomData<&'a ()>,
}

// SAFETY: an instance is a driver adapter, which is `Send + Sync`; the lifetime keeps it alive.
unsafe impl Send for Instance<'_> {}
// SAFETY: as above.
unsafe impl Sync for Instance<'_> {}

impl<'a> Instance<'a> {
    /// The instance of `adapter`.
    pub(crate) fn of<A: Send + Sync>(adapter: &'a A) -> Self {
        Self { pointer: std::ptr::from_ref(adapter).cast(), lifetime: PhantomData }
    }

    /// The adapter again.
    ///
    /// # Safety
    /// `A` must be the type that [`Instance::of`] was given: an extension table and the instance must come from one driver file.
    pub(crate) unsafe fn get<A>(self) -> &'a A {
        // SAFETY: the caller names the type that `of` erased; the lifetime is that of the borrow `of` took.
        unsafe { &*self.pointer.cast() }
    }
}

/// A table of any type, with the layout that its maker saw.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Extension {
    layout: &'static TypeLayout,
    table: *const (),
}

// SAFETY: a table is a leaked, immutable static of function pointers.
unsafe impl Send for Extension {}
// SAFETY: as above.
unsafe impl Sync for Extension {}

impl Extension {
    /// Erases a table.
    pub fn new<M>(table: M) -> Self
    where
        M: PrefixRefTrait + StableAbi,
    {
        let erased: PrefixRef<M::PrefixFields> = table.to_prefix_ref();
        Self { layout: M::LAYOUT, table: erased.to_raw_ptr().cast() }
    }

    /// The table again, if both sides see one layout.
    ///
    /// # Errors
    /// abi_stable's report of the difference.
    pub fn cast<M>(self) -> Result<M, String>
    where
        M: PrefixRefTrait + StableAbi,
    {
        check_layout_compatibility(M::LAYOUT, self.layout).map_err(|report| report.to_string())?;
        // SAFETY: the check has just shown that the table behind the pointer has this layout; `new` made the pointer out of a
        // `PrefixRef`, which points to a leaked static, and libraries are never unloaded.
        let table = unsafe { PrefixRef::from_raw::<M::PrefixFields>(self.table.cast()) };
        Ok(M::from_prefix_ref(table))
    }
}
