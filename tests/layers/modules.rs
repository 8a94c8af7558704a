//! The modules of a crate and the uses between them. Paths are resolved as the compiler resolves them.
//!
//! Visibility is ignored, and types, values and macros share one namespace: the code compiles, so every path has a target.
//! Code that is only compiled for tests is skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fmt, fs, mem};

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Field, ImplItem, Item, ItemMod, ItemUse, Meta, Token, UseTree, Visibility};

/// The text of each source file, by its path.
pub type Sources = BTreeMap<String, String>;

/// Reads the source files in a folder and its subfolders, by their paths relative to it.
pub fn sources(folder: &Path) -> Sources {
    let mut found = Sources::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            found.extend(sources(&path).into_iter().map(|(below, text)| (format!("{name}/{below}"), text)));
        } else if name.ends_with(".rs") {
            found.insert(name.to_owned(), fs::read_to_string(&path).unwrap());
        }
    }
    found
}

/// The modules of one crate by path: `crate`, `crate::reactor`, `crate::reactor::slot`.
#[derive(Debug, Default)]
pub struct Crate {
    pub modules: BTreeMap<String, Module>,
}

#[derive(Debug, Default)]
pub struct Module {
    /// The file that holds its code.
    pub file: String,
    /// Whether the module is written in braces, in its parent's file.
    inline: bool,
    /// The paths in its code.
    pub mentions: Vec<Mention>,
    names: BTreeMap<String, Vec<Meaning>>,
    globs: Vec<Vec<String>>,
}

/// A path as it is written in the code.
#[derive(Debug)]
pub struct Mention {
    pub path: Vec<String>,
    pub line: usize,
}

/// A meaning of a name in a module.
#[derive(Debug)]
enum Meaning {
    /// An item that the module defines.
    Item,
    /// A child module.
    Module(String),
    /// An import or re-export of this path.
    Import(Vec<String>),
}

/// The target of a path.
enum Target {
    Module(String),
    /// An item that this module defines, or imports from another crate.
    ItemOf(String),
}

/// The imports that lead from a path to its target.
#[derive(Default)]
struct Way {
    /// The modules that contain these imports.
    passed: BTreeSet<String>,
    /// The imports being followed, each with its module, to detect loops.
    open: Vec<(String, Vec<String>)>,
}

/// A path in module `from` whose target is in module `to`.
#[derive(Debug)]
pub struct Use {
    pub from: String,
    pub to: String,
    pub file: String,
    pub line: usize,
    pub path: String,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.file, self.line, self.path)
    }
}

/// Whether a module is `ancestor` itself or one of its descendants.
fn is_within(module: &str, ancestor: &str) -> bool {
    module.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

pub fn parent(module: &str) -> Option<&str> {
    module.rsplit_once("::").map(|(parent, _)| parent)
}

impl Crate {
    /// Reads the crate whose root is the source file `root`.
    pub fn read(sources: &Sources, root: &str) -> Self {
        let mut reader = Reader { sources, read: Self::default(), module: String::new(), blocks: 0 };
        reader.read_file("crate".to_owned(), root);
        reader.read
    }

    /// All uses between modules. An inline module counts as part of the module in whose file it is.
    pub fn uses(&self) -> Vec<Use> {
        let mut found = Vec::new();
        for (name, module) in &self.modules {
            let from = self.with_file(name);
            for mention in &module.mentions {
                for to in self.used(name, &mention.path) {
                    let (from, to, file) = (from.to_owned(), self.with_file(&to).to_owned(), module.file.clone());
                    if from != to {
                        found.push(Use { from, to, file, line: mention.line, path: mention.path.join("::") });
                    }
                }
            }
        }
        found
    }

    /// The modules that a path in `module` uses: the module that defines the item, and modules that re-export it from
    /// elsewhere. A module that re-exports items of its descendants is not used by that.
    pub fn used(&self, module: &str, path: &[String]) -> BTreeSet<String> {
        let mut way = Way::default();
        let Some(Target::Module(end) | Target::ItemOf(end)) = self.follow(module, path, &mut way) else {
            return BTreeSet::new();
        };
        let mut used = way.passed;
        used.retain(|passed| passed != module && !is_within(&end, passed));
        used.insert(end);
        used
    }

    /// The target of a path in `module`. None for paths into other crates.
    fn follow(&self, module: &str, path: &[String], way: &mut Way) -> Option<Target> {
        let mut here = module.to_owned();
        for (index, name) in path.iter().enumerate() {
            match name.as_str() {
                "crate" => here = "crate".to_owned(),
                "self" => {}
                "super" => here = parent(&here)?.to_owned(),
                name => match self.look_up(&here, name, index + 1 == path.len(), way)? {
                    Target::Module(module) => here = module,
                    // The rest of the path names a variant or an associated item.
                    item => return Some(item),
                },
            }
        }
        Some(Target::Module(here))
    }

    /// The target of a name in `module`. Child modules take precedence, except at the end of a path.
    fn look_up(&self, module: &str, name: &str, is_last: bool, way: &mut Way) -> Option<Target> {
        let Module { names, globs, .. } = &self.modules[module];
        let meanings = names.get(name).map_or(&[][..], Vec::as_slice);
        let is_module = |meaning: &&Meaning| matches!(meaning, Meaning::Module(_));
        match meanings.iter().find(|meaning| is_module(meaning) != is_last).or(meanings.first()) {
            Some(Meaning::Item) => Some(Target::ItemOf(module.to_owned())),
            Some(Meaning::Module(child)) => Some(Target::Module(child.clone())),
            // An item of another crate counts as the importing module's own.
            Some(Meaning::Import(path)) => {
                self.follow_import(module, path.clone(), way).or_else(|| Some(Target::ItemOf(module.to_owned())))
            }
            None => globs.iter().find_map(|glob| {
                let path = glob.iter().cloned().chain([name.to_owned()]).collect();
                self.follow_import(module, path, way)
            }),
        }
    }

    /// The target of an import. None if the import depends on itself, as `use log::log` does if no module is named `log`.
    fn follow_import(&self, module: &str, path: Vec<String>, way: &mut Way) -> Option<Target> {
        let import = (module.to_owned(), path);
        if way.open.contains(&import) {
            return None;
        }
        way.open.push(import.clone());
        let target = self.follow(module, &import.1, way);
        way.open.pop();
        if target.is_some() {
            way.passed.insert(import.0);
        }
        target
    }

    fn with_file<'a>(&'a self, mut module: &'a str) -> &'a str {
        while self.modules[module].inline {
            module = parent(module).expect("the root is a file");
        }
        module
    }
}

/// Reads the modules of a crate from its sources.
struct Reader<'a> {
    sources: &'a Sources,
    read: Crate,
    /// The module being visited.
    module: String,
    /// The number of blocks around the code being visited.
    blocks: usize,
}

impl Reader<'_> {
    fn read_file(&mut self, module: String, file: &str) {
        let parsed = syn::parse_file(&self.sources[file]).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.enter(module, file, false, |reader| visit::visit_file(reader, &parsed));
    }

    fn enter(&mut self, module: String, file: &str, inline: bool, visit: impl FnOnce(&mut Self)) {
        let entered = self.read.modules.entry(module.clone()).or_default();
        (entered.file, entered.inline) = (file.to_owned(), inline);
        let outer = mem::replace(&mut self.module, module);
        visit(self);
        self.module = outer;
    }

    fn current(&mut self) -> &mut Module {
        self.read.modules.get_mut(&self.module).expect("it was entered")
    }

    fn mention(&mut self, path: Vec<String>, at: Span) {
        self.current().mentions.push(Mention { path, line: at.start().line });
    }

    fn bind(&mut self, name: String, meaning: Meaning) {
        self.current().names.entry(name).or_default().push(meaning);
    }

    /// Reads a `use` tree. Names imported inside a block are valid in the whole module.
    fn import(&mut self, tree: &UseTree, before: &[String]) {
        let with = |ident: &Ident| match ident == "self" {
            true => before.to_vec(),
            false => before.iter().cloned().chain([ident.to_string()]).collect(),
        };
        let (path, at, name) = match tree {
            UseTree::Path(path) => return self.import(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => return group.items.iter().for_each(|tree| self.import(tree, before)),
            UseTree::Name(import) => (with(&import.ident), import.ident.span(), with(&import.ident).pop()),
            UseTree::Rename(import) => (with(&import.ident), import.ident.span(), Some(import.rename.to_string())),
            UseTree::Glob(glob) => (before.to_vec(), glob.star_token.spans[0], None),
        };
        self.mention(path.clone(), at);
        match name {
            Some(name) => self.bind(name, Meaning::Import(path)),
            None => self.current().globs.push(path),
        }
    }
}

impl Visit<'_> for Reader<'_> {
    fn visit_item(&mut self, item: &Item) {
        let (attributes, name) = attributes_and_name(item);
        if is_for_tests(attributes) {
            return;
        }
        if let Some(name) = name
            && self.blocks == 0
        {
            self.bind(name.to_string(), Meaning::Item);
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &ItemMod) {
        let name = item.ident.to_string();
        let module = format!("{}::{name}", self.module);
        self.bind(name, Meaning::Module(module.clone()));
        item.attrs.iter().for_each(|attribute| self.visit_attribute(attribute));
        if let Some((_, items)) = &item.content {
            let file = self.current().file.clone();
            self.enter(module, &file, true, |reader| items.iter().for_each(|item| reader.visit_item(item)));
        } else {
            assert!(!item.attrs.iter().any(|attribute| attribute.path().is_ident("path")), "{module} has a usual path");
            let below = module.replace("::", "/").replacen("crate/", "", 1);
            let files = [format!("{below}.rs"), format!("{below}/mod.rs")];
            let file = files.iter().find(|file| self.sources.contains_key(*file));
            self.read_file(module, file.unwrap_or_else(|| panic!("one of {files:?} exists")));
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        // A path with leading colons refers to another crate.
        if item.leading_colon.is_none() {
            self.import(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &syn::Path) {
        if path.leading_colon.is_none() {
            let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.mention(names, path.segments[0].ident.span());
        }
        visit::visit_path(self, path);
    }

    fn visit_token_stream(&mut self, tokens: &TokenStream) {
        paths_of_tokens(tokens, &mut |names, at| self.mention(names, at));
    }

    fn visit_block(&mut self, block: &Block) {
        self.blocks += 1;
        visit::visit_block(self, block);
        self.blocks -= 1;
    }

    fn visit_impl_item(&mut self, item: &ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &Field) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    // The path in `pub(in path)` uses nothing.
    fn visit_visibility(&mut self, _: &Visibility) {}
}

fn attributes_and_name(item: &Item) -> (&[Attribute], Option<&Ident>) {
    match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::ForeignMod(item) => (&item.attrs, None),
        Item::Impl(item) => (&item.attrs, None),
        Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
        Item::Mod(item) => (&item.attrs, None),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Union(item) => (&item.attrs, Some(&item.ident)),
        Item::Use(item) => (&item.attrs, None),
        _ => (&[], None),
    }
}

/// Whether an item with these attributes is only compiled for tests: `cfg(test)` or `cfg(all(test, …))`.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    fn needs_test(condition: &Meta) -> bool {
        let Meta::List(list) = condition else { return condition.path().is_ident("test") };
        let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap_or_default();
        match list.path.get_ident().map(Ident::to_string).as_deref() {
            Some("all") => parts.iter().any(needs_test),
            Some("any") => !parts.is_empty() && parts.iter().all(needs_test),
            _ => false,
        }
    }
    let conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    conditions.filter_map(|attribute| attribute.parse_args().ok()).any(|condition| needs_test(&condition))
}

/// Finds the paths in the tokens of a macro or an attribute. A single name is a path, too.
fn paths_of_tokens(tokens: &TokenStream, found: &mut impl FnMut(Vec<String>, Span)) {
    let mut path: Option<(Vec<String>, Span)> = None;
    let mut colons = 0;
    for token in tokens.clone() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => {
                colons += 1;
                continue;
            }
            TokenTree::Ident(name) if colons == 2 => {
                // Colons without a path before them follow a type in angle brackets, or start a path to another crate.
                if let Some((names, _)) = &mut path {
                    names.push(name.to_string());
                }
            }
            token => {
                if let Some((names, at)) = path.take() {
                    found(names, at);
                }
                match token {
                    TokenTree::Ident(name) => path = Some((vec![name.to_string()], name.span())),
                    TokenTree::Group(group) => paths_of_tokens(&group.stream(), found),
                    _ => {}
                }
            }
        }
        colons = 0;
    }
    if let Some((names, at)) = path {
        found(names, at);
    }
}
