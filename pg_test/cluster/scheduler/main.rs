//! Days advance by themselves: on servers whose scheduler looks every second, with a clock of the test's where midnight
//! matters. After everything the rows equal the model's and each day was closed by exactly one run that succeeded.

mod catch_up;
mod databases;
mod encodings;
mod failures;
mod fairness;
mod faults;
mod health;
mod hostile;
mod scene;
mod schedules;
mod standby;
