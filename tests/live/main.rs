//! The service as a process, on a real broker and a real store, as its users meet it.

mod analyser;
mod ask;
mod audit;
mod backup;
mod broadcasts;
mod campaigns;
mod disk;
mod erase;
mod erase_elsewhere;
mod escalations;
mod experiments;
mod export;
mod hostile;
mod guarded;
mod late;
mod life;
mod log;
mod past;
mod people;
mod rehearse;
mod rig;
mod shadow;
mod stories;
mod trouble;
mod watch;
mod whatif;
