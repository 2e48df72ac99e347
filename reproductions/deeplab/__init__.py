"""Chen, Papandreou, Kokkinos, Murphy, Yuille: DeepLab (v2), TPAMI 2017, arXiv:1606.00915."""
