//! What can be asked of the model page, and the values it is asked with.

use std::path::PathBuf;

/// See the top of this file.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelCommand {
    /// Shows a tensor, by its name.
    Select(String),
    /// Shows the tensor so many further down the list.
    Step(i32),
    /// Orders the tensors by a column; by the same again, the other way round, then not at all.
    Sort(TensorColumn),
    /// Lists the tensors that contain these words.
    FindTensors(String),
    /// Lists the metadata that contain this.
    FindKeys(String),
    /// Shows the elements of the array that a key holds, or hides them.
    Unfold(String),
    /// Copies a key, or a tensor's name.
    CopyKey(String),
    /// Copies the value of a key.
    CopyValue(String),
    /// Copies a key and its value.
    CopyRow(String),
    /// Copies one element of the array that a key holds.
    CopyElement(String, usize),
    /// Copies all metadata as JSON.
    CopyMetadata,
    /// Copies a tensor's name, type, shape, size and offset.
    CopyTensor(String),
    /// Copies the list of tensors as it is shown.
    CopyTensors,
    /// Copies the picture of the chosen tensor.
    CopyPicture,
    /// Asks where to save the picture of the chosen tensor.
    SavePicture,
    /// Saves that picture to this file.
    SavePictureTo(PathBuf),
    /// Moves the picture.
    Picture(PictureMove),
    /// Gives the detail the whole page, or takes that back.
    Wide,
    /// Turns the detail to something else.
    Detail(Detail),
    /// Shows a text as tokens.
    Tokenize(String),
    /// Asks for a file to compare with.
    AskCompare,
    /// Compares with a file.
    CompareWith(PathBuf),
}

/// What the detail is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// The chosen tensor.
    #[default]
    Tensor,
    /// The hyper-connections.
    Streams,
    /// Text as tokens.
    Tokens,
    /// The chat template at work.
    Template,
    /// What differs from another file.
    Compare,
}

/// A column of the list of tensors, and what it orders them by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TensorColumn {
    /// Place in the header.
    #[default]
    File,
    /// Name, numbers in it by their value.
    Name,
    /// Number of weights.
    Shape,
    /// Type, then name.
    Type,
    /// Bytes in the file.
    Bytes,
    /// Place in the file.
    Offset,
}

impl TensorColumn {
    /// Those with a heading, from left to right.
    pub const SHOWN: [TensorColumn; 5] = [
        TensorColumn::Name,
        TensorColumn::Shape,
        TensorColumn::Type,
        TensorColumn::Bytes,
        TensorColumn::Offset,
    ];

    /// What stands over it.
    pub fn title(self) -> &'static str {
        match self {
            TensorColumn::File => "File order",
            TensorColumn::Name => "Name",
            TensorColumn::Shape => "Shape",
            TensorColumn::Type => "Type",
            TensorColumn::Bytes => "Bytes",
            TensorColumn::Offset => "Offset",
        }
    }
}

/// A step of zooming or panning that was asked for by a command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PictureMove {
    /// The whole picture.
    Whole,
    /// One point a weight.
    Actual,
    /// Nearer or farther by so many steps.
    Zoom(i32),
}
