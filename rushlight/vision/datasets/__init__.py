"""Data sets of pictures, with torchvision's names and arguments."""

from . import utils
from .arrays import FER2013, SEMEION, STL10, SVHN, USPS, MovingMNIST
from .boundaries import SBDataset
from .captions import SBU, Flickr8k, Flickr30k
from .cells import PCAM
from .cifar import CIFAR10, CIFAR100
from .coco import CocoAnnotations, CocoCaptions, CocoDetection
from .digits import Digits
from .faces import LFWPairs, LFWPeople, WIDERFace
from .fake import FakeData
from .flow import HD1K, FlyingChairs, FlyingThings3D, KittiFlow, Sintel
from .folder import (
    IMG_EXTENSIONS,
    DatasetFolder,
    ImageFolder,
    default_loader,
    find_classes,
    has_file_allowed_extension,
    is_image_file,
    make_dataset,
    pil_loader,
)
from .listed import (
    DTD,
    GTSRB,
    SUN397,
    CLEVRClassification,
    FGVCAircraft,
    Food101,
    Imagenette,
    RenderedSST2,
)
from .lsun import LSUN, LSUNClass
from .mnist import KMNIST, MNIST, FashionMNIST, SplitWarning
from .mnist_kin import EMNIST, QMNIST
from .patches import PhotoTour
from .photographs import Caltech101, Caltech256, Flowers102, OxfordIIITPet, StanfordCars
from .places import INaturalist, Places365
from .rooms import ETH3DStereo, InStereo2k, Middlebury2014Stereo
from .scenes import (
    CelebA,
    Omniglot,
    VOCDetection,
    VOCSegmentation,
)
from .stereo import (
    CarlaStereo,
    CREStereo,
    FallingThingsStereo,
    Kitti2012Stereo,
    Kitti2015Stereo,
    SceneFlowStereo,
    SintelStereo,
)
from .streets import Cityscapes, Kitti
from .trees import Country211, EuroSAT, ImageNet
from .vision import StandardTransform, VisionDataset
from .wrapped import wrap_dataset_for_transforms_v2

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "CLEVRClassification",
    "CREStereo",
    "Caltech101",
    "Caltech256",
    "CarlaStereo",
    "CelebA",
    "Cityscapes",
    "CocoAnnotations",
    "CocoCaptions",
    "CocoDetection",
    "Country211",
    "DTD",
    "DatasetFolder",
    "Digits",
    "EMNIST",
    "ETH3DStereo",
    "EuroSAT",
    "FER2013",
    "FGVCAircraft",
    "FakeData",
    "FallingThingsStereo",
    "FashionMNIST",
    "Flickr30k",
    "Flickr8k",
    "Flowers102",
    "FlyingChairs",
    "FlyingThings3D",
    "Food101",
    "GTSRB",
    "HD1K",
    "IMG_EXTENSIONS",
    "INaturalist",
    "ImageFolder",
    "ImageNet",
    "Imagenette",
    "InStereo2k",
    "KMNIST",
    "Kitti",
    "Kitti2012Stereo",
    "Kitti2015Stereo",
    "KittiFlow",
    "LFWPairs",
    "LFWPeople",
    "LSUN",
    "LSUNClass",
    "MNIST",
    "Middlebury2014Stereo",
    "MovingMNIST",
    "Omniglot",
    "OxfordIIITPet",
    "PCAM",
    "PhotoTour",
    "Places365",
    "QMNIST",
    "RenderedSST2",
    "SBDataset",
    "SBU",
    "SEMEION",
    "STL10",
    "SUN397",
    "SVHN",
    "SceneFlowStereo",
    "Sintel",
    "SintelStereo",
    "SplitWarning",
    "StandardTransform",
    "StanfordCars",
    "USPS",
    "VOCDetection",
    "VOCSegmentation",
    "VisionDataset",
    "WIDERFace",
    "default_loader",
    "find_classes",
    "has_file_allowed_extension",
    "is_image_file",
    "make_dataset",
    "pil_loader",
    "utils",
    "wrap_dataset_for_transforms_v2",
]
