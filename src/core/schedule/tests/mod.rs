mod clocks;
mod due;
mod lines;
