//! Clearing away what is not needed any more without waiting for it.

/// Frees `value` beside what comes next. Of a fleet of ten thousand hosts that takes a while, and a program that ends
/// meanwhile leaves it to the system.
pub fn free_aside<T: Send + 'static>(value: T) {
    // Where no thread can be had it is freed here.
    let _ = std::thread::Builder::new().spawn(move || drop(value));
}
