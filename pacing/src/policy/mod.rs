//! Policies, one file each. Adaptive and predictive have their room here and join later.
