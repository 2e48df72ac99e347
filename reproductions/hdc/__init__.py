"""Wang et al.: Understanding Convolution for Semantic Segmentation, WACV 2018, arXiv:1702.08502."""
